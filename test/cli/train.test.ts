/** `train` and `evaluate` on folders of pictures that a tiny network learns in seconds. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli } from '../helpers/cli.js';
import { randomNumbers } from '../helpers/random.js';
import { saveTinyClassifier, saveTinySegmenter } from '../helpers/tiny.js';

const cwd = mkdtempSync(join(tmpdir(), 'train-'));
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const COLORS = { red: [220, 40, 40], green: [40, 200, 40], 'so blue & <b>': [40, 40, 220] } as const;

/** A square of a color somewhere on noise, and where it is. */
function square(seed: number, color: readonly number[]): { picture: Buffer; mask: Uint8Array } {
  const random = randomNumbers(seed);
  const png = new PNG({ width: 32, height: 32 });
  const mask = new Uint8Array(32 * 32);
  const [left, top] = [Math.floor(random() * 12), Math.floor(random() * 12)];
  for (let i = 0; i < 32 * 32; i++) {
    const [x, y] = [i % 32, Math.floor(i / 32)];
    mask[i] = x >= left && x < left + 18 && y >= top && y < top + 18 ? 1 : 0;
    for (let c = 0; c < 3; c++) png.data[4 * i + c] = mask[i] ? color[c]! - random() * 30 : 90 + random() * 60;
    png.data[4 * i + 3] = 255;
  }
  return { picture: PNG.sync.write(png), mask };
}

function writeMask(file: string, mask: Uint8Array, id: number): void {
  const png = new PNG({ width: 32, height: 32, colorType: 0, inputColorType: 0, inputHasAlpha: false });
  png.data = Buffer.from(mask.map((inside) => inside * id));
  writeFileSync(file, PNG.sync.write(png, { colorType: 0, inputColorType: 0, inputHasAlpha: false }));
}

beforeAll(async () => {
  await saveTinyClassifier(`${cwd}/classifier`);
  await saveTinySegmenter(`${cwd}/segmenter`);
  for (const kind of ['images', 'masks']) mkdirSync(`${cwd}/maps/${kind}`, { recursive: true });
  for (const [c, [name, color]] of Object.entries(COLORS).entries()) {
    mkdirSync(`${cwd}/colors/${name}`, { recursive: true });
    for (let i = 0; i < 20; i++) {
      const { picture, mask } = square(100 * c + i + 1, color);
      writeFileSync(`${cwd}/colors/${name}/${i}.png`, picture);
      if (c > 1 || i > 9) continue;
      writeFileSync(`${cwd}/maps/images/${name}-${i}.png`, picture);
      writeMask(`${cwd}/maps/masks/${name}-${i}.png`, mask, c + 1);
    }
  }
  writeFileSync(`${cwd}/colors/red/broken.png`, 'no picture');
}, 0);

const run = (command: string, flags: object = {}) => cli(command.split(' '), { cwd, ...flags });
const BEGIN = '--train head --model classifier --threads 1 --learning-rate 1';

describe('train', () => {
  it('says how it goes, and writes a model that the other commands take', async () => {
    const { code, stdout, stderr } = await run(`train colors --out whole --epochs 30 ${BEGIN}`);
    expect(stderr).toMatch(/^mobilenet-v2: left out red\/broken\.png: expected a PNG or JPEG picture.*\n/);
    expect(stderr).toMatch(/wrote whole\/report\.html\n$/);
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toBe(
      'colors: 48 pictures to train with, 12 to evaluate with, 3 classes; the head at 32×32, 30 epochs, learning rate 1',
    );
    const epochs = lines.filter((line) => line.startsWith('epoch'));
    expect(epochs).toHaveLength(11); // the first, and every third
    for (const line of epochs) {
      expect(line).toMatch(
        /^epoch [ \d]\d of 30 {2}loss \d+\.\d{3} {2}evaluation: loss \d+\.\d{3}, accuracy \d+\.\d % {2}\d+\.\d s$/,
      );
    }
    expect(stdout).toMatch(/\naccuracy +([5-9][0-9]|100)\.\d % \(([6-9]|1[0-2]) of 12\)\n/);
    expect(stdout).toMatch(/\nclass +precision +recall +F1 +pictures\n/);
    expect(stdout.trimEnd()).toMatch(/\nwhole: the model of epoch \d+, the best of 30 by accuracy; 60 steps in \d+ s$/);
    const files = readdirSync(`${cwd}/whole`);
    for (const name of ['config.json', 'model.safetensors', 'preprocessor_config.json', 'report.html']) {
      expect(files).toContain(name);
    }
    const html = readFileSync(`${cwd}/whole/report.html`, 'utf8');
    expect(html).toContain('<polyline');
    expect(html).toContain('so blue &#38; &#60;b&#62;');
    expect(html).not.toMatch(/<script|https?:/);

    const classified = await run('classify colors/green/1.png --model whole -f lines');
    expect(classified.stdout).toMatch(/^colors\/green\/1\.png\t(green|red|so blue & <b>)\t[01]\.?\d*\n$/);
  });

  it('prints JSON: a line for each epoch, and the result', async () => {
    const { code, stdout } = await run(
      'train colors --out head --train head --epochs 3 --model classifier --json --quiet',
    );
    expect(code).toBe(0);
    const records = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(records.filter((record) => 'loss' in record).map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    expect(records.filter((record) => 'eval_accuracy' in record)).toHaveLength(3);
    const last = records.at(-1);
    expect(last).toMatchObject({ path: 'head', pictures: 12, steps: 6 });
    expect(last.classes.map(({ label }: { label: string }) => label)).toEqual(Object.keys(COLORS).sort());
  });

  it('saves at Ctrl-C, says how to go on, and comes to the same weights', async () => {
    const flags = '--epochs 4 --quiet --jitter 0.2 --model classifier --learning-rate 0.001 --batch-norm train';
    const whole = await run(`train colors --out one-go ${flags}`);
    expect(whole.code).toBe(0);
    const stopped = await run(`train colors --out stopped --json ${flags.replace('--quiet ', '')}`, {
      watch: (stdout: string, child: { kill(signal: string): void }) => {
        if (stdout.includes('eval_loss')) child.kill('SIGINT');
      },
    });
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toContain('stopping: what is done is saved; Ctrl-C once more ends without\n');
    expect(stopped.stderr).toMatch(/stopped after step \d+ of 12, which is saved; to go on:\n/);
    const again = /\n.* {2}mobilenet-v2 (train .* --resume)\n/.exec(stopped.stderr)![1]!;
    const resumed = await run(again);
    expect(resumed.stderr).toMatch(/goes on from step \d+ of 12\n/);
    expect(resumed.code).toBe(0);
    const weights = (folder: string) => readFileSync(`${cwd}/${folder}/model.safetensors`);
    expect(weights('stopped').equals(weights('one-go'))).toBe(true);
  });

  it('segments', async () => {
    writeFileSync(`${cwd}/classes.txt`, 'background\nred\ngreen\n');
    const args =
      'train maps --task segment --labels classes.txt --out segments --model segmenter --epochs 2 --batch-size 4';
    const { code, stdout, stderr } = await run(args);
    expect([code, stderr]).toEqual([0, 'mobilenet-v2: wrote segments/report.html\n']);
    expect(stdout).toMatch(/mean IoU \d+\.\d %, pixels right \d+\.\d %/);
    expect(stdout).toMatch(/\nclass +IoU +found +pixels\n/);
    expect(readFileSync(`${cwd}/segments/report.html`, 'utf8')).toContain('as it was seen');
  });

  it('asks before it overwrites, and says what is wrong in the words of flags', async () => {
    mkdirSync(`${cwd}/full/checkpoint-7`, { recursive: true });
    const refused = await run('train colors --out full');
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringMatching(/full has checkpoint-7 already; --force/),
    ]);
    for (const [flags, message] of [
      ['--out new --resume', /--resume: new has no folder checkpoint-N; leave it out to begin anew/],
      ['--out new --batch-size 1 --batch-norm train', /--batch-size: a batch of one/],
      ['--out new --crop 0', /--crop: expected a share above 0/],
      ['--out new --test-share 1', /--test-share: expected/],
      ['--out new --model nowhere', /nowhere: no such folder/],
      ['--out new --labels none.txt', /--labels: none\.txt: no such file/],
      ['', /required option '-o, --out <dir>'/],
    ] as const) {
      const { code, stdout, stderr } = await run(`train colors --quiet --model classifier ${flags}`.trim());
      expect([flags, stdout, stderr.trimEnd().split('\n').length <= 2]).toEqual([flags, '', true]);
      expect(stderr).toMatch(message);
      expect(code).toBeGreaterThan(0);
    }
    expect(existsSync(`${cwd}/new`)).toBe(false);
    const none = await run('train classifier --out new');
    expect(none.stderr).toMatch(/classifier: expected a folder of pictures for each class/);
    mkdirSync(`${cwd}/single/one`, { recursive: true });
    writeFileSync(`${cwd}/single/one/1.png`, square(1, COLORS.red).picture);
    expect((await run('train single --out new')).stderr).toMatch(/single: there is one class alone/);
  });
});

describe('evaluate', () => {
  beforeAll(() => {
    mkdirSync(`${cwd}/ants/test/ant`, { recursive: true });
    mkdirSync(`${cwd}/ants/test/bee`, { recursive: true });
    for (let i = 0; i < 4; i++) {
      writeFileSync(`${cwd}/ants/test/${i < 2 ? 'ant' : 'bee'}/${i}.png`, square(i, COLORS.red).picture);
    }
  });

  it('says how many are right, which not, and writes a page', async () => {
    const { code, stdout, stderr } = await run('evaluate ants --model classifier --report page.html');
    expect([code, stderr]).toEqual([0, expect.stringMatching(/mobilenet-v2: wrote page\.html\n$/)]);
    expect(stdout).toMatch(/^ants\/test: 4 pictures by classifier, \d+\.\d s\n\naccuracy +\d+\.\d % \(\d of 4\)\n/);
    expect(readFileSync(`${cwd}/page.html`, 'utf8')).toContain('Worst mistakes');
    const { accuracy, pictures, mistakes } = JSON.parse((await run('evaluate ants --model classifier --json')).stdout);
    expect([pictures, mistakes.length]).toEqual([4, Math.round(4 * (1 - accuracy))]);
  });

  it('counts pixels of a segmenter', async () => {
    const { stdout, code } = await run('evaluate maps --model segmenter --json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ pictures: 20, mean_iou: expect.any(Number) });
  });

  it('refuses folders of other classes, and a model without any', async () => {
    const other = await run('evaluate colors --model classifier');
    expect([other.code, other.stdout]).toEqual([1, '']);
    expect(other.stderr).toMatch(/expected a folder for each class, ant, bee, cat, got green, red/);
  });
});
