/**
 * From a file to pixels to a network's input: decoders, their halves, and the resize, each against a roof of the same rounds.
 * Whole steps are the package's, as users call them; halves of the JPEG decoder are its own functions.
 */
import { readFile } from 'node:fs/promises';
import { MobileNetV2ImageProcessor, RawImage } from 'mobilenet-v2';
import { emitEntropy } from '../dist/codecs/jpeg/entropy/passes.js';
import { NATURAL_ORDER, STATE_BYTES, ZIGZAG } from '../dist/codecs/jpeg/entropy/state.js';
import { readJpeg } from '../dist/codecs/jpeg/header.js';
import { DecoderMemory } from '../dist/codecs/jpeg/memory.js';
import { emitSamples } from '../dist/codecs/jpeg/samples/emit.js';
import { Reconstruction } from '../dist/codecs/jpeg/samples/reconstruction.js';
import { Scans } from '../dist/codecs/jpeg/scans.js';
import { i32, i64, ModuleBuilder } from '../dist/tensor/wasm/assembler.js';
import { countSymbols } from './jpeg-symbols.mjs';

const EXAMPLE = new URL('../examples/dog.jpg', import.meta.url);

/** A photograph as a camera wrote it, and one of 12 megapixels made of it, with noise, so that it has as many bits a pixel. */
export const PICTURES = {
  '0.4 MP': async () => new Uint8Array(await readFile(EXAMPLE)),
  '12 MP': async () => {
    const image = await (await RawImage.read(await readFile(EXAMPLE))).resize(4000, 3000);
    let state = 1;
    const noisy = image.data.map((value) => {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      return Math.min(255, Math.max(0, value + (state >> 27)));
    });
    const blob = await new RawImage(noisy, image.width, image.height, 3).toBlob('image/jpeg', 0.8);
    return new Uint8Array(await blob.arrayBuffer());
  },
};

/** Rows for `interleave`. @returns `{ rows, close }` */
export async function codecRows(name) {
  const jpeg = await PICTURES[name]();
  const image = await RawImage.read(jpeg);
  const { width, height } = image;
  const common = { part: 'codecs', network: name, batch: 1, implementation: 'simd', threads: 1 };
  const row = (kernel, run, more) => ({ ...common, kernel, pixels: width * height, run, ...more });
  const moved = width * height * 3;
  const decode = (bytes) => ({ fileBytes: bytes.length, bytes: bytes.length + moved });
  const halves = halvesOf(jpeg);
  const processor = new MobileNetV2ImageProcessor();
  const rows = [
    row('JPEG, decode', () => RawImage.read(jpeg), decode(jpeg)),
    row('JPEG, bits to coefficients', halves.entropy, {
      fileBytes: jpeg.length,
      bytes: jpeg.length,
      ...countSymbols(jpeg),
    }),
    row('JPEG, coefficients to pixels', halves.samples, { bytes: moved }),
    row('resize to 256, crop, normalize', () => processor(image), { bytes: moved }),
    row('resize to half, bicubic', () => image.resize(width >> 1, height >> 1, { resample: 'bicubic' }), {
      bytes: 1.25 * moved,
    }),
  ];
  // Compressing 12 megapixels would take longer than all rows together.
  if (moved < 10e6) {
    const png = new Uint8Array(await (await image.toBlob('image/png')).arrayBuffer());
    rows.push(row('PNG, decode', () => RawImage.read(png), decode(png)));
  }
  return { rows, close: () => {} };
}

/** Both halves of the JPEG decoder, each without the other, on an instance of their own. */
function halvesOf(jpeg) {
  const layout = readJpeg(jpeg, 'picture');
  const memory = new DecoderMemory(STATE_BYTES);
  memory.bytes.set(NATURAL_ORDER, ZIGZAG);
  const builder = new ModuleBuilder({ initial: 1 });
  emitEntropy(builder);
  emitSamples(builder);
  const module = new WebAssembly.Module(builder.encode());
  const { exports } = new WebAssembly.Instance(module, { env: { memory: memory.memory } });
  const decode = (sink) => {
    memory.clear();
    const scans = new Scans({ memory, exports }, jpeg, layout);
    scans.decode(sink);
    return scans.frame;
  };

  // Coefficients of the last row of MCUs stay where they are. All rows have them.
  const mcuRows = [];
  const frame = decode({ iMcuRow: (...addresses) => mcuRows.push(addresses), finish() {} });
  const taken = memory.allocate(0);
  return {
    entropy: () => decode({ iMcuRow() {}, finish() {} }),
    samples: () => {
      memory.clear();
      memory.allocate(taken);
      const reconstruction = new Reconstruction(frame, memory, exports, { rows() {} }, { scale: 1 });
      for (const addresses of mcuRows) reconstruction.iMcuRow(...addresses);
      reconstruction.finish();
    },
  };
}

const STEPS = 1e6;
const UNROLLED = 16;

/**
 * The clock, by additions that wait for each other, one a cycle; and look-ups that wait for each other, as those of a Huffman
 * decoder with a table must: the bits to an index, the entry, and the shift by what it says. That is the least a symbol takes.
 */
function emitChains() {
  const module = new ModuleBuilder({ initial: 1 });
  module.func('clock', { rounds: 'i32', step: 'i32' }, (f, { rounds, step }) => {
    const [sum, counter] = f.locals('i32', 2);
    f.for(counter, 0, rounds, 1, () => {
      for (let i = 0; i < UNROLLED; i++) f.set(sum, i % 2 === 0 ? i32.add(sum, step) : i32.or(sum, step));
    });
    f.store('i32.store', 0, sum);
  });
  module.func('lookup', { rounds: 'i32' }, (f, { rounds }) => {
    const bits = f.local('i64');
    const counter = f.local('i32');
    f.for(counter, 0, rounds, 1, () => {
      for (let i = 0; i < UNROLLED; i++) {
        const entry = i32.load(i32.shl(i32.wrap_i64(i64.shr_u(bits, 55)), 2), 64);
        f.set(bits, i64.shl(bits, i64.extend_i32_u(entry)));
      }
    });
    f.store('i64.store', 0, bits);
  });
  return module.encode();
}

/** Rows to be measured with the others, and what came out: `{ clock, lookups }`, in GHz and 1e9 a second. */
export function openChains() {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(emitChains()), { env: { memory } });
  const clock = { roof: 'clock', run: () => exports.clock(STEPS / UNROLLED, 0x1234567) };
  const lookup = { roof: 'lookup', run: () => exports.lookup(STEPS / UNROLLED) };
  return {
    rows: [clock, lookup],
    measured: () => ({ clock: STEPS / clock.min / 1e6, lookups: STEPS / lookup.min / 1e6 }),
  };
}
