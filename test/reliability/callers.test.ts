/**
 * What callers do between a call and its reading: they write the next frame into the same buffer, transfer it to a worker, or
 * shrink it. The answer is that of the moment of the call.
 */
import { describe, expect, it } from 'vitest';
import {
  ImageClassificationPipeline,
  ImageFeatureExtractionPipeline,
  ImageSegmentationPipeline,
  load_image,
  MobileNetError,
  MobileNetV2Config,
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2ImageProcessor,
  MobileNetV2Model,
  RawImage,
  Tensor,
} from '../../src/entries/main-node.js';
import { randomNumbers } from '../helpers/random.js';
import { SEED } from '../helpers/seed.js';
import { stripes } from '../helpers/tiny.js';
import { waves } from '../helpers/waves.js';
import { Ledger } from './ledger.js';

const CALLS = Number(process.env.CALLER_CALLS ?? 1000);
const ledger = new Ledger('callers', `FUZZ_SEED=${SEED} npx vitest run test/reliability/callers.test.ts`);
console.log(`callers: FUZZ_SEED=${SEED}`);

const SIDE = 32;
const config = new MobileNetV2Config({
  depth_multiplier: 0.1,
  finegrained_output: false,
  image_size: SIDE,
  initializer_range: 0.3,
  id2label: { 0: 'ant', 1: 'bee', 2: 'cat' },
});
const processor = new MobileNetV2ImageProcessor({ size: SIDE, crop_size: SIDE });
const model = new MobileNetV2ForImageClassification(config, { device: 'wasm', threads: 1, seed: 1 });
const segmenter = new MobileNetV2ForSemanticSegmentation(config, { device: 'js', seed: 21 });
const base = new MobileNetV2Model(config, { device: 'js', seed: 2 });
const classify = new ImageClassificationPipeline(processor, model);
const segment = new ImageSegmentationPipeline(processor, segmenter);
const features = new ImageFeatureExtractionPipeline(processor, base);

/** Bytes of a picture, another for every seed. */
const pixels = (seed: number): Uint8Array =>
  Uint8Array.from(waves(SIDE * SIDE * 4, 0.7 + (seed % 7), seed), (v) => 128 + 127 * v);
const floats = (seed: number): Uint8Array => new Uint8Array(waves(3 * SIDE * SIDE, 1.7, seed).buffer as ArrayBuffer);

const encoded = (seed: number): Uint8Array => new Uint8Array(stripes(seed % 200, SIDE, SIDE));

type Signal = { signal?: AbortSignal };

/** A call with memory of the caller's: what the memory holds, and what the call makes of it, as text. */
interface Way {
  content(seed: number): Uint8Array;
  call(memory: Uint8Array, more: Signal): Promise<unknown>;
}

const rgba = (data: Uint8Array) => new RawImage(data, SIDE, SIDE, 4);
const clamped = ({ buffer, byteOffset, length }: Uint8Array) =>
  new Uint8ClampedArray(buffer as ArrayBuffer, byteOffset, length);
const values = ({ buffer }: Uint8Array) => new Tensor('float32', new Float32Array(buffer), [1, 3, SIDE, SIDE]);
const planes = (data: Uint8Array) => new Tensor('uint8', data, [SIDE, SIDE, 4]);
const other = rgba(pixels(-1));
const scores = (more: Signal) => ({ top_k: null, ...more });
/** The part of a canvas that is read. */
const canvas = (data: Uint8Array) => ({
  width: SIDE,
  height: SIDE,
  getContext: () => ({
    getImageData: () => ({ data: clamped(data).slice(), width: SIDE, height: SIDE }),
  }),
});

const WAYS: Record<string, Way> = {
  'model(pixel_values)': {
    content: floats,
    call: async (m, s) => (await model({ pixel_values: values(m), ...s })).logits,
  },
  'model(pixel_values, options)': { content: floats, call: async (m, s) => (await model(values(m), s)).logits },
  'model with labels': {
    content: (seed) => new Uint8Array(new BigInt64Array([BigInt(seed % 3)]).buffer),
    call: async (m, s) => {
      const labels = new Tensor('int64', new BigInt64Array(m.buffer), [1]);
      return (await model({ pixel_values: values(floats(1)), labels, ...s })).loss;
    },
  },
  'model.activations': {
    content: floats,
    call: async (m, s) => [...(await model.activations(values(m), ['layer.3.conv_3x3'], s)).values()],
  },
  'model.hidden_states': { content: floats, call: (m, s) => model.hidden_states(values(m), [2, 5], s) },
  'classify.classify': { content: floats, call: (m, s) => classify.classify(values(m), scores(s)) },
  'classify(RawImage)': { content: pixels, call: (m, s) => classify(rgba(m), scores(s)) },
  'classify(ImageData)': {
    content: pixels,
    call: (m, s) => classify({ data: clamped(m), width: SIDE, height: SIDE }, scores(s)),
  },
  'classify(Pixels)': {
    content: pixels,
    call: (m, s) => classify({ data: m, width: SIDE, height: SIDE, channels: 4 }, scores(s)),
  },
  'classify(canvas)': { content: pixels, call: (m, s) => classify(canvas(m) as never, scores(s)) },
  'classify a list': {
    content: pixels,
    call: (m, s) =>
      classify([other, rgba(m), { data: clamped(m), width: SIDE, height: SIDE }, other, rgba(m)], scores(s)),
  },
  'classify(bytes)': { content: encoded, call: (m, s) => classify(m, scores(s)) },
  'classify(ArrayBuffer)': {
    content: encoded,
    call: (m, s) => classify(m.buffer as ArrayBuffer, scores(s)),
  },
  'classify a list of bytes': {
    content: encoded,
    call: (m, s) => classify([other, new DataView(m.buffer), m, m], scores(s)),
  },
  'classify.explain': { content: pixels, call: async (m, s) => (await classify.explain(rgba(m), 1, s)).overlay().data },
  'segment(RawImage)': {
    content: pixels,
    call: async (m, s) =>
      (await segment(rgba(m), { threshold: 0.4, ...s })).map(({ label, mask }) => [label, mask.data]),
  },
  'features(RawImage)': { content: pixels, call: (m, s) => features([rgba(m), other, rgba(m)], s) },
  'processor(tensor)': {
    content: pixels,
    call: async (m, s) => (await processor(planes(m), { ...s, image_mean: 0.5, image_std: 0.5 })).pixel_values,
  },
  'processor(images, maps)': {
    content: (seed) =>
      pixels(seed)
        .subarray(0, SIDE * SIDE)
        .slice(),
    call: async (m, s) => {
      const map = { data: m, width: SIDE, height: SIDE, channels: 1 };
      return (await processor(other, { segmentation_maps: [map], ...s })).labels;
    },
  },
  'load_image(bytes)': {
    content: encoded,
    call: async (m) => (await load_image(m)).data,
  },
  'image.toBlob': { content: pixels, call: async (m) => new Uint8Array(await (await rgba(m).toBlob()).arrayBuffer()) },
};

/** What the caller does when it has called. */
const DEEDS: Record<string, (memory: Uint8Array, next: Uint8Array) => void> = {
  written: (memory, next) => memory.set(next.subarray(0, memory.length)),
  'filled with zeros': (memory) => memory.fill(0),
  transferred: ({ buffer }) => void structuredClone(buffer, { transfer: [buffer as ArrayBuffer] }),
  shrunk: ({ buffer }) => (buffer as unknown as { resize(length: number): void }).resize(buffer.byteLength >> 1),
};

/** Memory of a caller: a buffer that can be shrunk, and all of it in view. */
function memoryOf(content: Uint8Array): Uint8Array {
  const { length } = content;
  const Resizable = ArrayBuffer as unknown as new (length: number, options: { maxByteLength: number }) => ArrayBuffer;
  const memory = new Uint8Array(new Resizable(length, { maxByteLength: length }));
  memory.set(content);
  return memory;
}

/** Results as text, typed arrays as their numbers. */
const textOf = (result: unknown): string =>
  JSON.stringify(result, (_, value) =>
    ArrayBuffer.isView(value)
      ? Array.from(value as Uint8Array, String)
      : typeof value === 'bigint'
        ? `${value}`
        : value,
  );

const known = new Map<string, string>();

/** What a call answers that nobody disturbs. */
async function undisturbed(name: string, seed: number): Promise<string> {
  const key = `${name} ${seed}`;
  const found = known.get(key) ?? textOf(await WAYS[name].call(WAYS[name].content(seed), {}));
  known.set(key, found);
  return found;
}

describe('between a call and its reading', () => {
  it(`a buffer may be written, transferred or shrunk: ${CALLS} calls`, async () => {
    const random = randomNumbers(SEED);
    const names = Object.keys(WAYS);
    const deeds = Object.entries(DEEDS);
    const told: Record<string, number> = {};
    for (let n = 0; n < CALLS; n++) {
      const name = names[n % names.length];
      const [deed, act] = deeds[Math.floor(random() * deeds.length)];
      const seed = Math.floor(random() * 20);
      const expected = await undisturbed(name, seed);
      const memory = memoryOf(WAYS[name].content(seed));
      const more = random() < 0.5 ? {} : { signal: new AbortController().signal };
      const answer = WAYS[name].call(memory, more).then(textOf, (error: unknown) => {
        // Node's structuredClone may refuse memory that is in use; nothing here may.
        expect(error).toBeInstanceOf(MobileNetError);
        return (error as MobileNetError).code;
      });
      act(memory, WAYS[name].content(seed + 1));
      const got = await answer;
      expect(got === expected || got === 'ARG', `${name}, ${deed}, seed ${seed}: ${got.slice(0, 200)}`).toBe(true);
      told[got === 'ARG' ? 'ARG' : 'answers'] = (told[got === 'ARG' ? 'ARG' : 'answers'] ?? 0) + 1;
    }
    expect(told.answers).toBe(CALLS); // no way in needs to refuse
    const note = `${Object.keys(WAYS).length} ways in, ${deeds.length} deeds`;
    ledger.add({ what: 'Buffers written, transferred or shrunk after the call', tried: CALLS, seed: SEED, note });
  });

  it.each(Object.keys(WAYS))('%s: three queued calls through one buffer have three answers', async (name) => {
    const { content, call } = WAYS[name];
    const seeds = [3, 4, 5];
    const expected = await Promise.all(seeds.map((seed) => undisturbed(name, seed)));
    const length = Math.max(...seeds.map((seed) => content(seed).length));
    const frame = memoryOf(new Uint8Array(length));
    const answers = seeds.map((seed) => {
      frame.set(content(seed)); // the rest of a longer PNG comes after this one's end
      const bytes = content(seed).length;
      return call(bytes === length ? frame : memoryOf(frame.subarray(0, bytes)), {});
    });
    frame.fill(0);
    expect((await Promise.all(answers)).map(textOf)).toEqual(expected);
    expect(new Set(expected).size).toBeGreaterThan(1);
    ledger.add({ what: 'Three queued calls through one buffer', tried: 3 });
  });
});

describe('memory that is shared by a Buffer, whose slice is no copy', () => {
  it('is left alone by clone, putAlpha and planes of pixels', async () => {
    const buffer = Buffer.from(pixels(1));
    const before = Buffer.from(buffer).toString('hex');
    const image = rgba(buffer);
    image.clone().data.fill(0);
    image.putAlpha(new RawImage(new Uint8Array(SIDE * SIDE), SIDE, SIDE, 1));
    new Tensor('uint8', buffer, [4, SIDE, SIDE]).add(1);
    await processor(new Tensor('uint8', buffer, [4, SIDE, SIDE]), { image_mean: 0.5, image_std: 0.5 });
    expect(buffer.toString('hex')).toBe(before);
  });
});
