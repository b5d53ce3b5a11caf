/**
 * A checkpoint that TensorFlow wrote with the names of slim (test/goldens/convert/make_slim.py): every number has its place.
 * Damage to its index or data ends in a typed error.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { crc32, crc32c } from '../../src/base/bytes.js';
import { mapSlim } from '../../src/convert/slim.js';
import { type Converted, convert } from '../../src/entries/convert-node.js';
import { MobileNetError, MobileNetV2ForImageClassification, Tensor } from '../../src/entries/main-node.js';
import type { StoredTensor } from '../../src/formats/stored.js';
import { isTfCheckpoint, readTfCheckpoint } from '../../src/formats/tf-checkpoint.js';
import { temporaryFolder } from '../helpers/cli.js';
import { expectError, memoryFolder, utf8 } from '../helpers/weight-files.js';

const golden = (name: string) =>
  new Uint8Array(readFileSync(new URL(`../goldens/convert/slim/${name}`, import.meta.url)));
const INDEX = 'model.ckpt.index';
const DATA = 'model.ckpt.data-00000-of-00001';
const index = golden(INDEX);
const data = new Uint8Array(gunzipSync(golden(`${DATA}.gz`)));
const folder = (changed: Record<string, Uint8Array> = {}) => memoryFolder({ [INDEX]: index, [DATA]: data, ...changed });
const read = (changed: Record<string, Uint8Array> = {}) => convert(folder(changed), { file: INDEX, dtype: 'fp32' });

/** As the recipe has it. */
function values(name: string, count: number): number[] {
  const start = crc32(utf8(name));
  return Array.from({ length: count }, (_, i) => {
    const base = (((start + 7919 * i) % 251) - 125) / 128;
    return Math.fround(/(?:gamma|moving_variance)$/.test(name) ? 1 + base / 2 : base);
  });
}

/** A kernel [R,S,C,K] by our order, [K,C,R,S]; of a depthwise one [R,S,C,1] as [C,1,R,S]. */
function kernel(name: string, [k, c, r, s]: readonly number[], isDepthwise: boolean): number[] {
  const raw = values(name, k * c * r * s);
  const out: number[] = [];
  for (let a = 0; a < k; a++)
    for (let b = 0; b < c; b++)
      for (let y = 0; y < r; y++)
        for (let x = 0; x < s; x++) {
          const at = isDepthwise ? (y * s + x) * k + a : ((y * s + x) * c + b) * k + a;
          out.push(raw[at]);
        }
  return out;
}

function scopeOf(layer: string): string {
  const [, block, part] = /layer\.(\d+)\.(\w+)$/.exec(layer) ?? [];
  const parts: Record<string, string> = { expand_1x1: 'expand', conv_3x3: 'depthwise', reduce_1x1: 'project' };
  if (block !== undefined) return `MobilenetV2/expanded_conv_${Number(block) + 1}/${parts[part]}`;
  if (layer.endsWith('first_conv')) return 'MobilenetV2/Conv';
  if (layer.endsWith('conv_1x1')) return 'MobilenetV2/Conv_1';
  return `MobilenetV2/expanded_conv/${parts[layer.split('.').at(-1)!]}`;
}

function expectEveryNumber({ state }: Converted): void {
  const norms: Record<string, string> = {
    weight: 'gamma',
    bias: 'beta',
    running_mean: 'moving_mean',
    running_var: 'moving_variance',
  };
  let checked = 0;
  for (const [name, tensor] of state) {
    if (name.endsWith('num_batches_tracked')) continue;
    const [, layer, kind, part] =
      /^(.*?)\.?(convolution|normalization|)\.?(weight|bias|running_mean|running_var)$/.exec(name)!;
    const got = Array.from(tensor.data as Float32Array);
    const scope = scopeOf(layer);
    let wanted: number[];
    if (kind === 'normalization') wanted = values(`${scope}/BatchNorm/${norms[part]}`, tensor.size);
    else if (kind === 'convolution') {
      const isDepthwise = layer.endsWith('conv_3x3');
      wanted = kernel(`${scope}/${isDepthwise ? 'depthwise_weights' : 'weights'}`, tensor.dims, isDepthwise);
    } else if (part === 'bias') wanted = values('MobilenetV2/Logits/Conv2d_1c_1x1/biases', tensor.size);
    else wanted = kernel('MobilenetV2/Logits/Conv2d_1c_1x1/weights', [...tensor.dims, 1, 1], false);
    expect([name, got]).toEqual([name, wanted]);
    checked++;
  }
  expect(checked).toBe(262);
}

describe('a checkpoint of slim', () => {
  it('has every number in its place', async () => {
    const converted = await read();
    expect(converted).toMatchObject({ from: 'slim', architecture: 'MobileNetV2ForImageClassification', unmapped: [] });
    expect(converted.config).toMatchObject({
      depth_multiplier: 0.3,
      num_labels: 5,
      tf_padding: true,
      layer_norm_eps: 0.001,
    });
    expect(converted.preprocessor).toMatchObject({ size: { shortest_edge: 256 }, image_mean: [0.5, 0.5, 0.5] });
    expectEveryNumber(converted);
    const model = await MobileNetV2ForImageClassification.from_pretrained(
      memoryFolder(Object.fromEntries(converted.files())),
      { threads: 1 },
    );
    const { logits } = await model({
      pixel_values: new Tensor('float32', new Float32Array(3 * 32 * 32), [1, 3, 32, 32]),
    });
    expect(logits.data.every(Number.isFinite)).toBe(true);
  });

  it('is found by its index, and by what its files have in common', async () => {
    const place = join(temporaryFolder(), 'run');
    mkdirSync(place);
    writeFileSync(join(place, INDEX), index);
    writeFileSync(join(place, DATA), data);
    for (const path of [join(place, INDEX), join(place, 'model.ckpt')]) {
      expect((await convert(path, { dtype: 'fp32' })).config.depth_multiplier).toBe(0.3);
    }
  });

  it('gives the backbone alone', async () => {
    const { architecture, state } = await convert(folder(), { file: INDEX, head: false, dtype: 'fp32' });
    expect(architecture).toBe('MobileNetV2Model');
    expect(state.has('layer.3.conv_3x3.convolution.weight')).toBe(true);
  });
});

describe('what is wrong with one', () => {
  it('files that are missing', async () => {
    await expectError(() => convert(memoryFolder({ [INDEX]: index }), { file: INDEX }), { code: 'SHARD', file: DATA });
    await expectError(() => convert(index, { file: INDEX }), { code: 'ARG', says: ['.data-'] });
  });

  it('damaged bytes', async () => {
    const broken = data.slice();
    broken[1000] ^= 1;
    await expectError(() => read({ [DATA]: broken }), { code: 'IO', file: INDEX, says: ['checksum'] });
    await expectError(() => read({ [DATA]: data.slice(0, -1) }), { code: 'LAYOUT', file: INDEX });
    const damaged = index.slice();
    damaged[40] ^= 1;
    await expectError(() => read({ [INDEX]: damaged }), { code: 'IO', file: INDEX, says: ['checksum of a block'] });
  });

  it('ranges that cannot be', async () => {
    // Their ends follow the formula, and so the greater one may be the first.
    await expectError(() => convert(folder(), { file: INDEX }), {
      code: 'QUANT',
      tensor: 'MobilenetV2/Conv/act_quant/min',
      says: ['expected min below max', "dtype: 'fp32'"],
    });
  });

  it('another network', async () => {
    const names = [...(await readTfCheckpoint(index, folder(), { file: INDEX })).keys()];
    expect(names).toContain('global_step');
    expect(names).toContain('MobilenetV2/Conv/weights_quant/min');
  });

  it('any byte of its index ends in a typed error, or in what is there', async () => {
    let refused = 0;
    for (let at = 0; at < index.length; at += 5) {
      const flipped = index.slice();
      flipped[at] ^= 1 << (at % 8);
      if (!isTfCheckpoint(flipped)) continue;
      await readTfCheckpoint(flipped, folder(), { file: INDEX }).catch((error) => {
        expect(error).toBeInstanceOf(MobileNetError);
        refused++;
      });
    }
    expect(refused).toBeGreaterThan(2000);
    for (let length = 48; length < index.length; length += 97) {
      const cut = new Uint8Array([...index.subarray(0, length - 48), ...index.subarray(-48)]);
      await expect(readTfCheckpoint(cut, folder(), { file: INDEX })).rejects.toBeInstanceOf(MobileNetError);
    }
  });
});

it('the head of DeepLab has its places too', () => {
  const stored = (name: string, dims: number[]): [string, StoredTensor] => {
    const count = dims.reduce((product, size) => product * size, 1);
    const bytes = new Uint8Array(Float32Array.from(values(name, count)).buffer);
    return [name, { name, dims, dtype: 'F32', bytes, file: INDEX, offset: 0 }];
  };
  const scopes = { image_pooling: 'conv_pool', aspp0: 'conv_aspp', concat_projection: 'conv_projection' };
  const tensors = new Map([
    ...Object.keys(scopes).flatMap((scope) => [
      stored(`${scope}/weights`, [1, 1, 3, 4]),
      stored(`${scope}/weights/Momentum`, [1, 1, 3, 4]),
      stored(`${scope}/BatchNorm/beta`, [4]),
    ]),
    stored('logits/semantic/weights', [1, 1, 4, 21]),
    stored('logits/semantic/biases', [21]),
    stored('other', [1]),
  ]);
  const { weights, unmapped, architecture, config, preprocessor } = mapSlim(tensors, INDEX, { head: true });
  expect([unmapped, architecture, config.output_stride]).toEqual([['other'], 'MobileNetV2ForSemanticSegmentation', 16]);
  expect(preprocessor).toMatchObject({ size: { shortest_edge: 513 }, crop_size: { height: 513, width: 513 } });
  const numbers = (name: string) => Array.from(weights.get(`segmentation_head.${name}`)!.read().data);
  for (const [scope, ours] of Object.entries(scopes)) {
    expect(numbers(`${ours}.convolution.weight`)).toEqual(kernel(`${scope}/weights`, [4, 3, 1, 1], false));
    expect(numbers(`${ours}.normalization.bias`)).toEqual(values(`${scope}/BatchNorm/beta`, 4));
  }
  expect(numbers('classifier.convolution.weight')).toEqual(kernel('logits/semantic/weights', [21, 4, 1, 1], false));
  expect(numbers('classifier.convolution.bias')).toEqual(values('logits/semantic/biases', 21));
  expect(weights.size).toBe(8);
  expect(mapSlim(tensors, INDEX, { head: false }).weights.size).toBe(0);
});

it('CRC32C is that of RFC 3720', () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
  expect(crc32c(utf8('123456789'))).toBe(0xe3069283);
  expect(crc32c(utf8('56789'), crc32c(utf8('1234')))).toBe(0xe3069283);
});
