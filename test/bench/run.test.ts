/** The benchmark as it is run, on the smallest network. Nothing here depends on how fast it was. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MobileNetV2Config, MobileNetV2ForImageClassification } from '../../src/entries/main-node.js';
import { ROOT, temporaryFolder } from '../helpers/cli.js';

const bench = (...args: string[]) =>
  spawnSync(process.execPath, [join(ROOT, 'bench/run.mjs'), ...args], { cwd: ROOT, encoding: 'utf8' });

interface Row {
  part: string;
  step?: string;
  op?: string;
  implementation: string;
  threads: number;
  memory: string;
  count: number;
  network: string;
  kernel: string;
  /** Of codecs. */
  pixels?: number;
  fileBytes?: number;
  bits?: number;
  macs: number;
  min: number;
  best: number[];
}

describe('npm run bench', () => {
  it('has every convolution of the plan in every implementation, and compares with itself', () => {
    const folder = temporaryFolder();
    const [json, html] = [join(folder, 'bench.json'), join(folder, 'bench.html')];
    const small = [
      '--layers',
      '0.35-96',
      '--training',
      '0.35-96',
      '--ablation',
      '0.35-96',
      '--networks',
      '0.35-96',
      '--batch',
      '1',
    ];
    const { status, stdout, stderr } = bench(...small, '--rounds', '1', '--json', json, '--html', html);
    expect(status, stderr).toBe(0);
    const result = JSON.parse(readFileSync(json, 'utf8'));
    const rows: Row[] = result.rows;
    for (const { min, best } of rows) expect(best[0]).toBeGreaterThanOrEqual(min);
    for (const { peak, bandwidth } of result.groups) {
      for (const figure of [peak, bandwidth[1], bandwidth[2]]) expect(figure).toBeGreaterThan(0);
    }

    const config = new MobileNetV2Config({ depth_multiplier: 0.35, num_labels: 1001 });
    const plan = new MobileNetV2ForImageClassification(config).plan([1, 3, 96, 96]);
    const layers = rows.filter(({ part, op }) => part === 'layers' && op !== 'inverted_residual' && op !== 'network');
    for (const [implementation, threads] of [
      ['reference', 1],
      ['js', 1],
      ['scalar', 1],
      ['simd', 1],
      ['simd', 2],
    ]) {
      const own = layers.filter((row) => row.implementation === implementation && row.threads === threads);
      const sum = own.reduce((total, { macs, count }) => total + macs * count, 0);
      expect(sum, `${implementation}, ${threads} threads`).toBe(plan.multiplyAdds);
    }
    // Beside the sum of its rows, every engine as users get it.
    const networks = rows.filter(({ part, op }) => part === 'layers' && op === 'network');
    const engines = networks.map(({ implementation, threads }) => `${implementation} ${threads}`);
    expect(engines).toEqual(expect.arrayContaining(['reference 1', 'js 1', 'simd 1', 'simd 2']));
    for (const { macs } of networks) expect(macs).toBe(plan.multiplyAdds);
    const lines = stdout.split('\n');
    for (const [at, line] of lines.entries()) {
      if (!line.startsWith('all convolutions ') || line.includes(' scalar ')) continue;
      expect(lines[at + 1]).toMatch(/^network as shipped /);
    }
    // On the way back every convolution has a gradient of its weights, as many multiply-adds as the convolution.
    const gradients = rows.filter(({ part, op }) => part === 'training' && op?.endsWith('_dw'));
    for (const implementation of ['reference', 'js', 'simd']) {
      const own = gradients.filter((row) => row.implementation === implementation);
      const sum = own.reduce((total, { macs, count }) => total + macs * count, 0);
      expect(sum, implementation).toBe(plan.multiplyAdds);
    }
    const blocks = rows.filter(({ op, implementation }) => op === 'inverted_residual' && implementation === 'simd');
    expect(new Set(blocks.map(({ memory }) => memory))).toEqual(new Set(['fast', 'low']));
    const codecs = rows.filter(({ part }) => part === 'codecs');
    const pixels = (name: string) => codecs.filter(({ network }) => network === name).map((row) => row.pixels);
    expect(new Set(pixels('0.4 MP'))).toEqual(new Set([768 * 576]));
    expect(new Set(pixels('12 MP'))).toEqual(new Set([12e6]));
    for (const { kernel, bits, fileBytes } of codecs.filter((row) => row.bits !== undefined)) {
      expect(kernel).toBe('JPEG, bits to coefficients');
      // All of the file but its headers, and the zeros after bytes of ones.
      expect(bits! / 8 / fileBytes!).toBeGreaterThan(0.9);
      expect(bits! / 8).toBeLessThan(fileBytes!);
    }
    const ablation = rows.filter(({ part }) => part === 'ablation');
    expect(ablation.slice(0, 5).map(({ implementation, memory }) => `${implementation} ${memory}`)).toEqual([
      ...['reference fast', 'js fast', 'scalar fast', 'simd apart', 'simd fast'],
    ]);
    expect(ablation.at(-1)!.threads).toBe(2);
    expect(readFileSync(html, 'utf8')).not.toMatch(/undefined|NaN|<script/);

    const again = bench(
      '--only',
      'models',
      '--networks',
      '0.35-96',
      '--batch',
      '1',
      '--rounds',
      '1',
      '--compare',
      json,
    );
    expect(again.status, again.stderr).toBe(0);
    expect(again.stdout).toMatch(
      /^Against .*: \d+ slower, \d+ faster, \d+ same; \d+ rows are gone, 0 are new\. A row/m,
    );
  });

  it.each([
    [['--networks', '9.9-999'], /--networks: there is no 9\.9-999; there are 0\.35-96, /],
    [['--rounds', 'x'], /--rounds: expected whole numbers/],
  ])('refuses %j', (args, message) => {
    const { status, stderr } = bench(...args);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('has every product of a quantized network, beside the peak of whole numbers', () => {
    const json = join(temporaryFolder(), 'bench.json');
    const [network, float] = ['deeplab-0.5-513-os16-uint8', '1.0-224'];
    const few = ['--implementations', 'simd', '--threads', '1', '--batch', '1', '--rounds', '1'];
    const both = ['--only', 'layers,models', '--layers', network, '--networks', float, ...few];
    const { status, stderr } = bench(...both, '--json', json);
    expect(status, stderr).toBe(0);
    const { rows, groups }: { rows: Row[]; groups: { elements: string; peak: number }[] } = JSON.parse(
      readFileSync(json, 'utf8'),
    );
    expect(groups.map(({ elements }) => elements)).toEqual(['i16', 'f32']);
    for (const { peak } of groups) expect(peak).toBeGreaterThan(0);
    const whole = rows.find((row) => row.part === 'layers' && row.op === 'network')!;
    const products = rows.filter(({ part, op }) => part === 'layers' && op !== 'inverted_residual' && op !== 'network');
    expect(products.reduce((sum, { macs, count }) => sum + macs * count, 0)).toBe(whole.macs);
    expect([...new Set(products.map(({ op }) => op))].sort()).toEqual(['conv3x3', 'depthwise3x3', 'pointwise', 'sums']);
    for (const { kernel } of products) expect(kernel).toMatch(/_i(16|32)_w16$/);
  });
});
