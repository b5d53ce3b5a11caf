/** A float model and what was seen of it, to the tensors of a quantized one. */
import { type Graph, INPUT } from '../graph/nodes.js';
import { Tensor } from '../tensor/tensor.js';
import type { Calibration } from './calibrate.js';
import { LEVELS, type Levels, type QuantizedDtype } from './dtypes.js';
import { type InputScale, scaleOf, type ValueScale } from './scales.js';
import { checkpointNames, quantizedNodes, scaleOwners } from './values.js';
import { foldLayer, quantizeLayer } from './weights.js';

/** Tensors by name: int8 or int16 weights, int32 biases and zero points, float32 scales. */
export type QuantizedState = Map<string, Tensor>;

export interface QuantizeState {
  graph: Graph;
  /** The float weights, by PyTorch's names. */
  floats: (name: string) => Float32Array;
  seen: Calibration;
  dtype: QuantizedDtype;
  /** Null where nothing is known of the pixels but what was seen. */
  input: InputScale | null;
  biasCorrection: boolean;
}

/** Everything that the checkpoint holds. */
export function quantizedState(job: QuantizeState): QuantizedState {
  const { graph, floats, seen, biasCorrection } = job;
  const levels = LEVELS[job.dtype];
  const scales = scalesOf(job, levels);
  const state: QuantizedState = new Map();
  const names = checkpointNames(graph);
  const put = (name: string, { scale, zeroPoint }: ValueScale) => {
    state.set(`${names.get(name)}.scale`, new Tensor('float32', [scale], []));
    state.set(`${names.get(name)}.zero_point`, new Tensor('int32', [zeroPoint], []));
  };
  put(INPUT, scales.get(INPUT)!);
  for (const node of quantizedNodes(graph)) {
    if (node.op === 'convolution' || node.op === 'linear') {
      const { scale, zeroPoint } = scales.get(node.input)!;
      const input = {
        scale,
        most: Math.max(levels.max - zeroPoint, zeroPoint - levels.min),
        shift: node.input === INPUT ? (job.input?.shift ?? 0) : 0,
        means: biasCorrection ? seen.means(node.input) : null,
      };
      const { weight, weightScale, bias } = quantizeLayer(foldLayer(node, floats), input, levels);
      const { outChannels: K, inChannels: C } = node;
      const dims = node.op === 'linear' ? [K, C] : [K, C / node.groups, node.kernel, node.kernel];
      const path = node.weight.replace(/\.weight$/, '');
      state.set(node.weight, new Tensor(weight instanceof Int8Array ? 'int8' : 'int16', weight, dims));
      state.set(`${path}.weight_scale`, new Tensor('float32', weightScale, [K]));
      state.set(`${path}.bias`, new Tensor('int32', bias, [K]));
    }
    put(node.name, scales.get(node.name)!);
  }
  return state;
}

/** The scale of every value. */
function scalesOf({ graph, seen, input }: QuantizeState, levels: Levels): Map<string, ValueScale> {
  const owners = scaleOwners(graph);
  const scales = new Map<string, ValueScale>();
  for (const [name, owner] of owners) {
    const isInput = name === INPUT && input !== null;
    scales.set(name, isInput ? input : scaleOf(seen.values.get(owner)!.observer.range(levels), levels));
  }
  return scales;
}
