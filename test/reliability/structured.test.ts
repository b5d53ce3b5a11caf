/**
 * Structured inputs at random (fast-check): whatever a configuration, a shape, a tensor or a layout is, the engines agree
 * on it or all refuse it with a typed error. `FUZZ_SEED` repeats a run.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  MobileNetError,
  MobileNetV2Config,
  type MobileNetV2ConfigOptions,
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2ImageProcessor,
  type ModelOptions,
  RawImage,
  Tensor,
} from '../../src/entries/main-node.js';
import { byAnUlp, expectAsClose } from '../helpers/close.js';
import { SEED } from '../helpers/seed.js';
import { picture } from '../helpers/waves.js';
import { Ledger, resident } from './ledger.js';

const SCALE = Number(process.env.FUZZ_SCALE ?? 1);
const ledger = new Ledger('structured', `FUZZ_SEED=${SEED} npx vitest run test/reliability/structured.test.ts`);
const runs = (count: number) => ({ numRuns: Math.ceil(count * SCALE), seed: SEED });
console.log(`structured: FUZZ_SEED=${SEED}`);

/** The value, or the code of the typed error; anything else fails the test. */
async function outcome<T>(call: () => T | Promise<T>): Promise<{ value?: T; code?: string }> {
  try {
    return { value: await call() };
  } catch (error) {
    if (!(error instanceof MobileNetError)) throw error;
    expect(error.message.length).toBeLessThan(500);
    return { code: error.code };
  }
}

const ENGINES: ModelOptions[] = [
  { device: 'js' },
  { device: 'wasm', threads: 1 },
  { device: 'wasm', threads: 1, memory: 'low' },
  { device: 'wasm', threads: 2, memory: 'low' },
];

describe('networks', () => {
  const config = fc.record({
    depth_multiplier: fc.constantFrom(0.1, 0.25, 0.35, 0.5),
    depth_divisible_by: fc.integer({ min: 1, max: 17 }),
    min_depth: fc.integer({ min: 1, max: 17 }),
    expand_ratio: fc.constantFrom(1, 1.3, 2.5, 6),
    output_stride: fc.constantFrom(2, 4, 8, 16, 32),
    first_layer_is_expansion: fc.boolean(),
    finegrained_output: fc.boolean(),
    tf_padding: fc.boolean(),
    num_channels: fc.integer({ min: 1, max: 5 }),
    hidden_act: fc.constantFrom('relu6', 'relu', 'gelu', 'silu', 'hardswish', 'linear'),
    num_labels: fc.integer({ min: 1, max: 21 }),
    layer_norm_eps: fc.constantFrom(0.001, 1e-5),
  });
  const size = fc.integer({ min: 1, max: 48 });

  it.each([
    ['classification', MobileNetV2ForImageClassification],
    ['segmentation', MobileNetV2ForSemanticSegmentation],
  ] as const)('%s: js and wasm, in any memory and thread, are the reference', async (name, Model) => {
    let cases = 0;
    await fc.assert(
      fc.asyncProperty(config, size, size, fc.constantFrom(1, 2, 3), async (options, height, width, batch) => {
        const full = new MobileNetV2Config({ ...options, initializer_range: 0.3 });
        const pixel_values = picture(1, [batch, full.num_channels, height, width]);
        const reference = new Model(full, { device: 'reference', seed: 3 });
        const { logits: expected } = await reference({ pixel_values });
        const { logits: shaken } = await reference({ pixel_values: byAnUlp(pixel_values) });
        for (const engine of ENGINES) {
          const model = new Model(full, { ...engine, seed: 3 });
          for (let call = 0; call < 2; call++) {
            const { logits } = await model({ pixel_values });
            expectAsClose(logits, shaken, expected);
          }
          model.dispose();
          cases++;
        }
      }),
      runs(15),
    );
    ledger.add({ what: `Networks for ${name}, engines against the reference`, tried: cases, seed: SEED });
  });
});

/** Anything that JSON or a careless caller can hold. */
const anything = fc.oneof(
  fc.anything({ withBigInt: true, withDate: true, withTypedArray: true, withNullPrototype: true, maxDepth: 2 }),
  fc.constantFrom(0, -0, -1, 1, 0.5, Number.NaN, Infinity, -Infinity, 1e308, 2 ** 53, '__proto__', null, undefined),
);

describe('anything at all', () => {
  it('as a field of a configuration is refused, or comes back as it was', async () => {
    const names = Object.keys(new MobileNetV2Config().to_dict()).filter((name) => name !== 'model_type');
    let accepted = 0;
    let tried = 0;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names, 'num_labels', 'my_own'), anything, async (field, value) => {
        tried++;
        const { value: config } = await outcome(
          () => new MobileNetV2Config({ [field]: value } as MobileNetV2ConfigOptions),
        );
        if (config === undefined) return;
        accepted++;
        const text = await outcome(() => config.to_json_string());
        if (text.value === undefined) return; // what JSON cannot hold is refused there
        const again = await outcome(() => new MobileNetV2Config(JSON.parse(text.value!)));
        expect(again.code).toBeUndefined();
        expect(again.value!.to_json_string()).toBe(text.value);
      }),
      runs(3000),
    );
    expect(accepted).toBeGreaterThan(10);
    ledger.add({ what: 'Configurations with anything in a field', tried, accepted, rssMiB: resident(), seed: SEED });
  });

  it('as an option of the image processor is refused, or works on a picture', async () => {
    const names = Object.keys(new MobileNetV2ImageProcessor().to_dict()).filter(
      (name) => name !== 'image_processor_type',
    );
    const image = new RawImage(new Uint8Array(20 * 30 * 3).fill(9), 30, 20, 3);
    let accepted = 0;
    let tried = 0;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), anything, async (field, value) => {
        tried++;
        const { value: processor } = await outcome(
          () => new MobileNetV2ImageProcessor({ size: 32, crop_size: 32, [field]: value } as Record<string, unknown>),
        );
        if (processor === undefined) return;
        accepted++;
        await outcome(() => processor(image));
      }),
      runs(2000),
    );
    expect(accepted).toBeGreaterThan(10);
    ledger.add({ what: 'Image processors with anything in an option', tried, accepted, seed: SEED });
  });

  it('as a type, as data or as dims makes a Tensor or a typed error', async () => {
    const types = fc.oneof(
      fc.constantFrom('float32', 'float16', 'float64', 'int64', 'int32', 'uint8', 'bool'),
      anything,
    );
    const data = fc.oneof(fc.float32Array({ maxLength: 12 }), fc.array(fc.integer(), { maxLength: 12 }), anything);
    const dims = fc.oneof(fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }), anything);
    let accepted = 0;
    let tried = 0;
    await fc.assert(
      fc.asyncProperty(types, data, dims, async (type, values, shape) => {
        tried++;
        const { value } = await outcome(() => new Tensor(type as 'float32', values as Float32Array, shape as number[]));
        if (value === undefined) return;
        accepted++;
        expect(value.dims.reduce((a, b) => a * b, 1)).toBe(value.size);
      }),
      runs(5000),
    );
    expect(accepted).toBeGreaterThan(10);
    ledger.add({ what: 'Tensors of anything', tried, accepted, seed: SEED });
  });

  it('as what a model is called with is refused, and the model goes on', async () => {
    const small = new MobileNetV2Config({ depth_multiplier: 0.1, finegrained_output: false, initializer_range: 0.3 });
    const model = new MobileNetV2ForImageClassification(small, { device: 'js' });
    const good = picture(1, [1, 3, 16, 16]);
    const { data: expected } = (await model({ pixel_values: good })).logits;
    const inputs = fc.record(
      {
        pixel_values: fc.oneof(fc.constant(good), anything),
        labels: anything,
        output_hidden_states: anything,
        signal: anything,
      },
      { requiredKeys: [] },
    );
    let accepted = 0;
    let tried = 0;
    await fc.assert(
      fc.asyncProperty(fc.oneof(inputs, anything), async (given) => {
        tried++;
        const { value } = await outcome(() => model(given as { pixel_values: Tensor }));
        if (value === undefined) return;
        accepted++;
        expect(value.logits.data).toEqual(expected);
      }),
      runs(1500),
    );
    expect((await model({ pixel_values: good })).logits.data).toEqual(expected);
    ledger.add({ what: 'Calls of a model with anything', tried, accepted, seed: SEED });
  });

  it('as a picture is refused, or becomes pixels', async () => {
    const processor = new MobileNetV2ImageProcessor({ size: 8, crop_size: 8 });
    const side = fc.integer({ min: 0, max: 9 });
    const tensor = fc
      .record({ dims: fc.array(side, { maxLength: 5 }), type: fc.constantFrom('float32' as const, 'uint8' as const) })
      .map(({ dims, type }) => {
        const size = dims.reduce((a, b) => a * b, 1);
        return new Tensor(type, new (type === 'uint8' ? Uint8Array : Float32Array)(size) as never, dims);
      });
    let accepted = 0;
    let tried = 0;
    await fc.assert(
      fc.asyncProperty(fc.oneof(tensor, anything), async (image) => {
        tried++;
        const { value } = await outcome(() => processor(image as Tensor));
        if (value === undefined) return;
        accepted++;
        expect(value.pixel_values.dims.slice(2)).toEqual([8, 8]);
      }),
      runs(2000),
    );
    expect(accepted).toBeGreaterThan(0);
    ledger.add({ what: 'Pictures of any layout, or anything', tried, accepted, seed: SEED });
  });
});
