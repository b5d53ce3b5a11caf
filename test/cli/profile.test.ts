import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { shapeOf } from '../../src/cli/shape.js';
import { MobileNetV2Config, MobileNetV2ForImageClassification } from '../../src/entries/main-node.js';
import { CLI, cli, temporaryFolder } from '../helpers/cli.js';
import { saveTinyClassifier } from '../helpers/tiny.js';

describe('profile', () => {
  it('prints a row for every step and a total, and writes a page that needs nothing else', async () => {
    const folder = temporaryFolder();
    await saveTinyClassifier(folder);
    const page = join(folder, 'profile.html');
    const args = ['profile', folder, '--size', '64x48', '--batch', '2', '--threads', '1', '--runs', '3'];
    const { code, stdout, stderr } = await cli([...args, '--html', page]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const { steps } = (await MobileNetV2ForImageClassification.from_pretrained(folder)).plan([2, 3, 64, 48]);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(1 + steps.length + 2);
    expect(lines[0]).toMatch(/^step +kernel +shape +MMAC +ms +median +GMAC\/s +of peak$/);
    for (const [index, { name, kernelName }] of steps.entries()) {
      expect(lines[1 + index].startsWith(name), lines[1 + index]).toBe(true);
      expect(lines[1 + index]).toContain(` ${kernelName} `);
    }
    expect(lines.at(-2)).toMatch(/^total +\d+\.\d\d +\d+\.\d{3} +\d+\.\d{3} +\d+\.\d\d +\d+ %$/);
    expect(lines.at(-1)).toMatch(/^input \[2,3,64,48\] · wasm · 1 thread · .* 3 runs · peak \d+\.\d GMAC\/s a thread$/);

    const html = readFileSync(page, 'utf8');
    expect(html.match(/class="fill"/g)).toHaveLength(steps.length);
    expect(html).not.toMatch(/<script|<link|https?:|url\(/);
  });

  it('is a record with --json', async () => {
    const folder = temporaryFolder();
    await saveTinyClassifier(folder);
    const { stdout } = await cli(['profile', folder, '--device', 'js', '--runs', '2', '--json']);
    const record = JSON.parse(stdout);
    expect(record).toMatchObject({ device: 'js', input: [1, 3, 32, 32], threads: 1, runs: 2 });
    expect(record.total.multiply_adds_per_second).toBeCloseTo(
      record.total.multiply_adds / (record.total.min_ms / 1e3),
      -3,
    );
    expect(record.steps[0]).toMatchObject({ name: 'conv_stem.first_conv', kernel: 'conv3x3_s2_f32_relu6__js' });
  });

  it('ends at Ctrl-C', async () => {
    const folder = temporaryFolder();
    await saveTinyClassifier(folder);
    let code: number | null = null;
    let output = '';
    // Killed before it listens, a process has no code.
    for (let patience = 1000; code === null; patience *= 2) {
      const child = spawn(process.execPath, [CLI, 'profile', folder, '--runs', '100000', '--threads', '1']);
      child.stdout.on('data', (text) => {
        output += text;
      });
      setTimeout(() => child.kill('SIGINT'), patience);
      [code] = await once(child, 'close');
    }
    expect({ code, output }).toEqual({ code: 130, output: '' });
  });

  it.each(['0', 'x', '1e9'])('refuses --runs %s', async (runs) => {
    const { code, stderr } = await cli(['profile', '--runs', runs]);
    expect(code).toBe(2);
    expect(stderr).toContain('Expected a whole number from 1 to 100000.');
  });

  it('names shapes', () => {
    const config = new MobileNetV2Config({ depth_multiplier: 0.35, num_labels: 7 });
    const model = new MobileNetV2ForImageClassification(config, { device: 'js', memory: 'low' });
    const names = (size: number, batch: number) =>
      model.plan([batch, 3, size, size]).steps.map(({ spec }) => shapeOf(spec));
    expect(names(160, 1).slice(0, 2)).toEqual(['160×160×3→16→8', '80×80×8→48→8']);
    const made = new MobileNetV2ForImageClassification(config, { device: 'js' }).plan([1, 3, 96, 96]);
    expect(made.steps.slice(0, 5).map(({ spec }) => shapeOf(spec))).toEqual([
      '96×96×3→48×48×16',
      '48×48×16',
      '2304×16→8',
      '2304×8→48',
      '48×48×48→24×24',
    ]);
    const dilated = new MobileNetV2Config({ depth_multiplier: 0.35, num_labels: 7, output_stride: 8 });
    const { steps } = new MobileNetV2ForImageClassification(dilated, { device: 'js' }).plan([1, 3, 96, 96]);
    expect(shapeOf(steps.find(({ kernelName }) => kernelName.includes('_d4_'))!.spec)).toBe('12×12×336 d4');
    expect(names(32, 2).slice(-2)).toEqual(['2·1×1×1280', '2·1×1280→7']);
  });
});
