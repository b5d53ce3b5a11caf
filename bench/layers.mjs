/** Times kernels on a list of specs, a layer at a time. */
import { findKernel } from '../dist/layers/kernels.js';
import { kernelName, multiplyAdds, NONE } from '../dist/layers/spec.js';
import { median } from './support.mjs';

/** Runs before the clock starts: V8 has then compiled the loops with the types they see. */
const WARM_UP = 4;

/** Times one spec: `runs` times, or for as long as `atLeast` milliseconds, and gives the median. */
function medianTime(run, runs, atLeast) {
  for (let i = 0; i < WARM_UP; i++) run();
  const times = [];
  const begin = performance.now();
  while (times.length < runs || performance.now() - begin < atLeast) {
    const start = performance.now();
    run();
    times.push(performance.now() - start);
  }
  return median(times);
}

/**
 * Values in [−1, 1), and weights scaled so that sums have a deviation near 1, as after batch norm: how often a clamp
 * bites changes the time it takes.
 */
function operandsOf(spec) {
  const pixels = spec.pixels ?? spec.inHeight * spec.inWidth;
  const outPixels = spec.pixels ?? spec.outHeight * spec.outWidth;
  const inChannels = spec.channels ?? spec.inChannels;
  const outChannels = spec.channels ?? spec.outChannels;
  const taps = { pointwise: inChannels, depthwise3x3: 9, conv3x3: inChannels * 9 }[spec.op];
  const random = (size, scale = 1) => Float32Array.from({ length: size }, () => (Math.random() * 2 - 1) * scale);
  return {
    x: random(spec.batch * pixels * inChannels),
    weights: random(outChannels * taps, 3 / Math.sqrt(taps)),
    bias: random(outChannels),
    residual: spec.residual ? random(spec.batch * outPixels * outChannels) : NONE,
    y: new Float32Array(spec.batch * outPixels * outChannels),
  };
}

/** `3136×24→144` for products, `56×56×144` for windows. */
function shapeOf(spec) {
  if (spec.op === 'pointwise') return `${spec.pixels}×${spec.inChannels}→${spec.outChannels}`;
  const side = `${spec.inHeight}×${spec.inWidth}`;
  return spec.op === 'conv3x3' ? `${side}×${spec.inChannels}→${spec.outChannels}` : `${side}×${spec.channels}`;
}

/**
 * One row for each different spec and engine: `count` tells how often the list has it, `ms` is for once. `report` is
 * called with every row as it is ready.
 */
export function benchLayers(specs, { engines, runs, atLeast, report }) {
  const counts = new Map();
  for (const spec of specs) {
    const key = JSON.stringify(spec);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const rows = [];
  for (const engine of engines) {
    for (const [key, count] of counts) {
      const spec = JSON.parse(key);
      const kernel = findKernel(spec, [engine]);
      const { x, weights, bias, residual, y } = operandsOf(spec);
      const packed = kernel.pack(spec, weights);
      const ms = medianTime(() => kernel.run(spec, x, packed, bias, residual, y), runs, atLeast);
      const macs = multiplyAdds(spec);
      const row = { kernel: kernelName(spec, engine), op: spec.op, engine, shape: shapeOf(spec), count, macs, ms };
      rows.push({ ...row, gmacs: macs / ms / 1e6 });
      report(rows.at(-1));
    }
  }
  return rows;
}

/** Sums over the whole list: one row for each operation and engine, and one for each engine. */
export function totals(rows) {
  const sum = (kernel, some) => {
    const macs = some.reduce((total, row) => total + row.macs * row.count, 0);
    const ms = some.reduce((total, row) => total + row.ms * row.count, 0);
    return { kernel, macs, ms, gmacs: macs / ms / 1e6 };
  };
  const distinct = (key) => [...new Set(rows.map((row) => row[key]))];
  return distinct('engine').flatMap((engine) => {
    const ofEngine = rows.filter((row) => row.engine === engine);
    const ofOp = (op) => ofEngine.filter((row) => row.op === op);
    return [...distinct('op').map((op) => sum(`${op}__${engine}`, ofOp(op))), sum(`all__${engine}`, ofEngine)];
  });
}
