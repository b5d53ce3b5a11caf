/** The depthwise convolution of whole numbers on a ring of rows: bands of any height have the bits of the whole. */
import { describe, expect, it } from 'vitest';
import { depthwiseI16Js } from '../../src/layers/depthwise/js-i16.js';
import { depthwiseI16Reference } from '../../src/layers/depthwise/reference-i16.js';
import { depthwiseI16Wasm } from '../../src/layers/depthwise/wasm-i16.js';
import type { I16Operands } from '../../src/layers/kernel-i16.js';
import type { DepthwiseI16Spec } from '../../src/layers/spec.js';
import { FUNCTIONS_I16, placeI16 } from './i16-bench.js';
import { depthwiseI16, expectedI16, type I16Given, type I16Made, operandsI16 } from './i16-cases.js';
import { cuts, runPart } from './wasm-bench.js';

/** Computes a band from the rows that a ring holds, into y from row `from` on. */
type Band = (spec: DepthwiseI16Spec, from: number) => void;
/** Places operands; gives the ring, y, and what computes a band. */
type Engine = (spec: DepthwiseI16Spec, given: I16Given) => { ring: Int16Array; y: I16Made; band: Band };

const wasm: Engine = (spec, given) => {
  const placed = placeI16(depthwiseI16Wasm, spec, given);
  return {
    ring: placed.x as Int16Array,
    y: placed.y,
    band: (band, from) => {
      const y = placed.at.y + 2 * from * spec.outWidth * spec.channels;
      for (const call of depthwiseI16Wasm.calls(band, { ...placed.at, y })) {
        const parts = cuts(call, 2);
        for (let part = 0; part < 2; part++) runPart(FUNCTIONS_I16, call, parts[part], parts[part + 1]);
      }
      placed.bench.check(spec);
    },
  };
};

const plain =
  (kernel: typeof depthwiseI16Js): Engine =>
  (spec, given) => {
    const y = new Int16Array(spec.outHeight * spec.outWidth * spec.channels);
    const weights = kernel.pack(spec, given.weights);
    return {
      ring: given.x as Int16Array,
      y,
      band: (band, from) => {
        const rest = y.subarray(from * spec.outWidth * spec.channels);
        kernel.run(band, { ...given, weights, y: rest } as I16Operands);
      },
    };
  };

function inBands(engine: Engine, spec: DepthwiseI16Spec, given: I16Given, bandRows: number, held: number): I16Made {
  const rowSize = spec.inWidth * spec.channels;
  const { ring, y, band } = engine(spec, { ...given, x: new Int16Array(held * rowSize).fill(-32768) });
  let filled = 0;
  for (let from = 0; from < spec.outHeight; from += bandRows) {
    const outHeight = Math.min(bandRows, spec.outHeight - from);
    const padTop = spec.padTop - from * spec.stride;
    const seen = (outHeight - 1) * spec.stride - padTop + 2 * spec.dilation + 1;
    for (; filled < Math.min(seen, spec.inHeight); filled++) {
      ring.set(given.x.subarray(filled * rowSize, (filled + 1) * rowSize), (filled % held) * rowSize);
    }
    band({ ...spec, padTop, outHeight, rowsHeld: held }, from);
  }
  return y;
}

const SPECS = [
  ...[1, 2, 3, 7, 12].map((H) => depthwiseI16(H, H, 6, 8, 1)),
  ...[1, 2, 3, 8, 13].map((H) => depthwiseI16(H, H, 7, 5, 2)),
  ...[4, 8, 13].map((H) => depthwiseI16(H, H, 7, 4, 2, 1, true)),
  ...[1, 5, 9, 14].flatMap((H) => [2, 4].map((dilation) => depthwiseI16(H, H, 9, 4, 1, dilation))),
];

const ENGINES = { wasm, js: plain(depthwiseI16Js), reference: plain(depthwiseI16Reference) };

describe.each(Object.entries(ENGINES))('%s', (_name, engine) => {
  it.each([1, 2, 3])('%i rows at a time', (band) => {
    for (const spec of SPECS) {
      const given = operandsI16(spec, 'usual', 5);
      const wanted = expectedI16(spec, given);
      const least = (band - 1) * spec.stride + 2 * spec.dilation + 1;
      for (const held of [least, least + 1, least + 5]) {
        expect(inBands(engine, spec, given, band, held), `${held} of ${JSON.stringify(spec)}`).toEqual(wanted);
      }
    }
  });
});
