/** One network, made faster one idea at a time. */
import * as library from 'mobilenet-v2';
import { IMPLEMENTATIONS, optionsApart, optionsOf } from './implementations.mjs';
import { stepsRunner } from './layers.mjs';
import { closeAll, rowOf } from './models.mjs';
import { makeNetwork } from './networks.mjs';
import { bytesOfPlan } from './roofline.mjs';
import { scalarNetwork } from './scalar.mjs';

/** Rows for `interleave`, in order; `idea` is what each adds. */
export async function ablationRows(network) {
  const [reference, js, , simd, relaxed] = IMPLEMENTATIONS;
  const steps = [
    [reference, {}, 'the network as drawn'],
    [js, {}, 'folded, fused, blocked'],
    null,
    [simd, { memory: 'apart' }, 'wasm with SIMD, tiles'],
    [simd, {}, 'wide blocks in bands'],
    ...(relaxed === undefined ? [] : [[relaxed, {}, 'relaxed SIMD']]),
    [relaxed ?? simd, { threads: 2 }, 'two threads'],
  ];
  const rows = [];
  for (const step of steps) {
    if (step === null) {
      rows.push(scalarRow(network));
      continue;
    }
    const [implementation, options, idea] = step;
    const { threads = 1, memory = 'fast' } = options;
    const common = { part: 'ablation', network, batch: 1, implementation: implementation.id, threads, memory, idea };
    if (memory === 'apart') {
      rows.push(apartRow(common, implementation));
      continue;
    }
    const made = makeNetwork(library, network, optionsOf(implementation, options));
    rows.push(rowOf(common, made, made.plan()));
  }
  return { rows, close: () => closeAll(rows) };
}

/** One thread, one convolution after the other. */
function apartRow(common, implementation) {
  const { model, plan, pixel_values } = makeNetwork(library, common.network, optionsApart(implementation));
  const { steps, write } = plan();
  const runSteps = stepsRunner(steps);
  const run = () => {
    write(pixel_values.data);
    return runSteps();
  };
  return rowOf(common, { model, run }, plan());
}

/** The plain loops without SIMD, from the same pixels. */
function scalarRow(network) {
  const { model, pixel_values } = makeNetwork(library, network, { device: 'js' });
  const { plan, run } = scalarNetwork(model, pixel_values.dims);
  const { multiplyAdds: macs, arenaBytes } = plan;
  return {
    ...{ part: 'ablation', network, batch: 1, implementation: 'scalar', threads: 1, memory: 'fast' },
    ...{
      idea: 'plain loops in wasm',
      kernel: 'network',
      count: 1,
      macs,
      bytes: bytesOfPlan(plan),
      arenaBytes,
    },
    model,
    run() {
      plan.write(pixel_values.data);
      run();
    },
  };
}
