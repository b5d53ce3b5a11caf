/** Every different convolution of a network, in every engine. */
import { findKernel } from '../dist/layers/kernels.js';
import { kernelName, multiplyAdds, NONE } from '../dist/layers/spec.js';
import { makeNetwork } from './networks.mjs';

/** Values in [−1, 1), and weights scaled so that sums have a deviation near 1, as after batch norm. */
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

/** One run of one kernel: the wasm engine's as its plan has it, the others' on arrays of their own. */
function runnerOf(spec, engine, step) {
  if (engine === 'wasm') {
    return () => {
      for (const work of step.work) work();
    };
  }
  const kernel = findKernel(spec, [engine]);
  const { x, weights, bias, residual, y } = operandsOf(spec);
  const packed = kernel.pack(spec, weights);
  return () => kernel.run(spec, x, packed, bias, residual, y);
}

/** Rows for `interleave`, one for each different spec and engine; `count` tells how often the network has it. */
export async function layerRows(network, engines) {
  const made = makeNetwork(network, { device: 'wasm', threads: 1 });
  await made.run(); // activations that are those of a run
  const distinct = new Map();
  for (const step of made.plan().steps.filter(({ spec }) => multiplyAdds(spec) > 0)) {
    const key = JSON.stringify(step.spec);
    const known = distinct.get(key);
    if (known === undefined) distinct.set(key, { step, count: 1 });
    else known.count++;
  }
  return [...distinct.values()].flatMap(({ step, count }) =>
    engines.map((engine) => ({
      kernel: kernelName(step.spec, engine),
      op: step.spec.op,
      engine,
      shape: shapeOf(step.spec),
      count,
      macs: multiplyAdds(step.spec),
      run: runnerOf(step.spec, engine, step),
    })),
  );
}

/** Sums over the network: one row for each operation and engine, and one for each engine. */
export function totals(rows) {
  const sum = (kernel, engine, some) => {
    const of = (key) => some.reduce((total, row) => total + row[key] * row.count, 0);
    return { kernel, engine, count: 1, shape: '', macs: of('macs'), min: of('min'), median: of('median') };
  };
  const distinct = (key) => [...new Set(rows.map((row) => row[key]))];
  return distinct('engine').flatMap((engine) => {
    const ofEngine = rows.filter((row) => row.engine === engine);
    const ofOp = (op) => ofEngine.filter((row) => row.op === op);
    return [
      ...distinct('op').map((op) => sum(`${op}__${engine}`, engine, ofOp(op))),
      sum(`all__${engine}`, engine, ofEngine),
    ];
  });
}
