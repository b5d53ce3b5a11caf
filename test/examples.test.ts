/** The examples that need nothing but Node, run as their first lines say. All others are run by test/runtimes. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  MobileNetV2Config,
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2ImageProcessor,
  RawImage,
} from '../src/entries/main-node.js';
import { ROOT, temporaryFolder } from './helpers/cli.js';

/** Lines that an example prints; from the repository, where the package's name means itself. */
function run(...words: string[]): string[] {
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { cwd: ROOT, encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout.trimEnd().split('\n');
}

describe('examples', () => {
  it('classify.mjs', () => {
    expect(run('examples/classify.mjs', 'examples/husky.png')).toEqual([
      'examples/husky.png: malamute, malemute, Alaskan malamute 0.823',
    ]);
  });

  it('features.mjs', () => {
    const [line] = run('examples/features.mjs', 'examples/husky.png', 'examples/dog.jpg');
    expect(line).toMatch(/^examples\/husky\.png and examples\/dog\.jpg: 0\.73\d$/);
  });

  it('saliency.mjs: the head of the dog matters, the wall does not', async () => {
    const file = join(temporaryFolder(), 'saliency.png');
    const lines = run('examples/saliency.mjs', 'examples/husky.png', file);
    expect(lines).toEqual(['examples/husky.png: malamute, malemute, Alaskan malamute', `${file}: 224 × 224`]);
    const { data, width, channels } = await RawImage.read(file);
    expect(data.length).toBe(224 * 224 * channels);
    const mean = (left: number, top: number, side: number) => {
      let sum = 0;
      for (let y = top; y < top + side; y++) {
        for (let x = left; x < left + side; x++) sum += data[(y * width + x) * channels] / side ** 2;
      }
      return sum;
    };
    const head = mean(130, 0, 50);
    for (const wall of [mean(0, 20, 50), mean(0, 90, 50), mean(0, 160, 50)]) expect(head).toBeGreaterThan(2 * wall);
  });

  it('segment.mjs, with a small network that knows nothing', async () => {
    const folder = temporaryFolder();
    const model = join(folder, 'model');
    const config = new MobileNetV2Config({ num_labels: 3, depth_multiplier: 0.35, output_stride: 16 });
    await new MobileNetV2ForSemanticSegmentation(config, { seed: 5 }).save_pretrained(model);
    await new MobileNetV2ImageProcessor({ size: { shortest_edge: 65 }, do_center_crop: false }).save_pretrained(model);
    const lines = run('examples/segment.mjs', model, 'examples/husky.png', join(folder, 'masks'));
    const shares = lines.map((line) => Number(/^LABEL_\d: ([\d.]+) % of the picture$/.exec(line)![1]));
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(100, 0);
    const masks = readdirSync(join(folder, 'masks'));
    expect(masks).toEqual(lines.map((line) => `${line.split(':')[0]}.png`));
    for (const mask of masks) expect((await RawImage.read(join(folder, 'masks', mask))).size).toEqual([270, 370]);
  });

  it('those of docs/deploy.md are all there', () => {
    const deploy = readFileSync(join(ROOT, 'docs/deploy.md'), 'utf8');
    const named = [...deploy.matchAll(/\.\.\/examples\/([\w-]+)/g)].map(([, name]) => name);
    const folders = readdirSync(join(ROOT, 'examples'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    // examples/browser is the page, with tests of its own; examples/dogs is a model.
    const others = folders.map(({ name }) => name).filter((name) => !['browser', 'dogs'].includes(name));
    expect(others.filter((name) => !named.includes(name))).toEqual([]);
  });
});
