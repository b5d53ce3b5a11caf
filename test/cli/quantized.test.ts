/** The commands that look at a model, on a quantized one: scales, kernels of whole numbers, and their own peak. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MobileNetV2ForImageClassification, MobileNetV2ForSemanticSegmentation } from '../../src/entries/main-node.js';
import { cli } from '../helpers/cli.js';
import { quantizedConfig, quantizedState } from '../helpers/quantized-models.js';

const parent = mkdtempSync(join(tmpdir(), 'quantized-'));
const folders = { classify: join(parent, 'classify'), segment: join(parent, 'segment') };
afterAll(() => rmSync(parent, { recursive: true }));

beforeAll(async () => {
  for (const task of ['classify', 'segment'] as const) {
    const Model = task === 'classify' ? MobileNetV2ForImageClassification : MobileNetV2ForSemanticSegmentation;
    const config = quantizedConfig('uint8');
    await new Model(config, { state: quantizedState(config, task, 'uint8', 3) }).save_pretrained(folders[task]);
  }
});

describe('a quantized model', () => {
  it('is inspected with its scales', async () => {
    const { code, stdout, stderr } = await cli(['inspect', folders.classify]);
    expect([code, stderr]).toEqual([0, '']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toContain('numbers           uint8');
    const model = await MobileNetV2ForImageClassification.from_pretrained(folders.classify);
    const { scale, zeroPoint } = model.graph.quantizations!.get('conv_stem.first_conv')!;
    expect(lines).toContainEqual(expect.stringMatching(/^layer +operation .* weights +scale +zero point +parameters/));
    const row = lines.find((line) => line.startsWith('conv_stem.first_conv'))!.split(/ {2,}/);
    expect(row.slice(1, 6)).toEqual([
      ...['conv 3×3, stride 2, relu6', '16×16×16', 'int8', scale.toPrecision(4), String(zeroPoint)],
    ]);
    expect(lines.find((line) => line.startsWith('quantize'))).toMatch(/^quantize +quantize +3×32×32 +0\.0\d+ +128$/);
    expect(lines.at(-1)).toMatch(/^total +[\d,]+ +[\d.]+ M$/);
  });

  it('is inspected as a record, a segmenter with the layers that it does not use', async () => {
    const { stdout } = await cli(['inspect', folders.segment, '--json']);
    const { layers, config } = JSON.parse(stdout);
    expect(config.quantization_config.dtype).toBe('uint8');
    expect(layers.at(-1)).toMatchObject({ quantization: { dtype: 'uint8', weights: 'int8' } });
    expect(layers.find(({ name }: { name: string }) => name === 'conv_1x1').output).toBeNull();
  });

  it('is planned with kernels of whole numbers', async () => {
    const { code, stdout } = await cli(['plan', folders.classify]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/ quantize_i16__wasm /);
    expect(stdout).toMatch(/ pointwise_i16\w*__wasm /);
    expect(stdout).not.toMatch(/_f32/);
  });

  it('is profiled against the peak of whole numbers', async () => {
    const args = ['profile', folders.segment, '--runs', '2', '--threads', '1'];
    const { stdout } = await cli(args);
    expect(stdout).toMatch(/ pointwise_i16\w*__wasm .* \d+ %$/m);
    expect(stdout.trimEnd()).toMatch(/peak \d+\.\d GMAC\/s a thread with whole numbers$/);
    const record = JSON.parse((await cli([...args, '--json'])).stdout);
    expect(record.peak_type).toBe('i16');
  });
});

it('sees as much of a picture as a network of real numbers', async () => {
  const [real, whole] = await Promise.all(
    (['fp32', 'auto'] as const).map((dtype) =>
      MobileNetV2ForImageClassification.from_pretrained(folders.classify, { dtype, device: 'js' }),
    ),
  );
  const fields = [real, whole].map((model) =>
    model
      .layers([1, 3, 64, 64])
      .filter(({ op }) => op === 'convolution')
      .map(({ receptiveField }) => receptiveField),
  );
  expect(fields[0].length).toBeGreaterThan(40);
  expect(fields[0][3]?.height.size).toBeGreaterThan(3);
  expect(fields[1]).toEqual(fields[0]);
});
