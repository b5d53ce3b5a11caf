/** Whole networks, from pixels to logits, as `model(inputs)` does them in what users import. */
import * as library from 'mobilenet-v2';
import { implementationsFor, optionsOf } from './implementations.mjs';
import { makeNetwork } from './networks.mjs';
import { elementsOf, stateOf } from './quantized.mjs';
import { bytesOfPlan } from './roofline.mjs';

/** Multiply-adds of one picture above which plain implementations are left out: a run would take half a minute. */
export const MOST = { reference: 0.4e9, js: 1e9 };

/** Rows for `interleave`: a network at a batch, in every implementation that has engines, threads and memory modes. */
export async function modelRows(network, batch, implementations, threads) {
  const rows = [];
  const elements = elementsOf(network);
  const state = stateOf(network);
  for (const implementation of implementationsFor(elements, implementations)) {
    const { id, device } = implementation;
    if (device === undefined) continue;
    const fast = device === 'wasm';
    for (const count of fast ? threads : [1]) {
      for (const memory of fast && batch === 1 ? ['fast', 'low'] : ['fast']) {
        const options = optionsOf(implementation, { threads: count, memory, elements });
        const made = makeNetwork(library, network, { ...options, ...state }, batch);
        const plan = made.plan();
        if (plan.multiplyAdds > (MOST[id] ?? Infinity)) continue;
        rows.push(rowOf({ part: 'models', network, batch, implementation: id, threads: count, memory }, made, plan));
      }
    }
  }
  return { rows, close: () => closeAll(rows) };
}

export function rowOf(common, { model, run }, plan) {
  const { multiplyAdds: macs, arenaBytes } = plan;
  return { ...common, kernel: 'network', count: 1, macs, bytes: bytesOfPlan(plan), arenaBytes, run, model };
}

export function closeAll(rows) {
  for (const { model } of rows) model?.dispose();
}
