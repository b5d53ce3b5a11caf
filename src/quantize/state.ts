/** A float model and what was seen of it, to the tensors of a quantized one. */
import { type ConvNode, type Graph, INPUT, type LinearNode } from '../graph/nodes.js';
import { foldedGraph, quantizedParameters } from '../models/mobilenet-v2/quantized.js';
import type { State } from '../models/mobilenet-v2/weights.js';
import { Tensor } from '../tensor/tensor.js';
import type { Calibration } from './calibrate.js';
import { LEVELS, type Levels, type QuantizedDtype } from './dtypes.js';
import { type InputScale, isNothing, scaleOf, type ValueScale } from './scales.js';
import { scaleOwners } from './values.js';
import { foldLayer, type QuantizedLayer, quantizeLayer } from './weights.js';

export interface QuantizeState {
  /** Of the float model. */
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
export function quantizedState(job: QuantizeState): State {
  const levels = LEVELS[job.dtype];
  const scales = scalesOf(job, levels);
  const layers = new Map<string, QuantizedLayer>();
  for (const node of job.graph.nodes) {
    if (node.op === 'convolution' || node.op === 'linear') layers.set(node.name, layerOf(node, job, scales, levels));
  }
  const folded = foldedGraph(job.graph);
  const pixels = folded.nodes[0].name; // the node that quantizes the picture
  const state: State = new Map();
  for (const { name, node, role, dims } of quantizedParameters(folded)) {
    const { scale, zeroPoint } = scales.get(node === pixels ? INPUT : node)!;
    if (role === 'weight_zero_point') continue; // weights are symmetric
    if (role === 'scale') state.set(name, new Tensor('float32', [scale], dims));
    else if (role === 'zero_point') state.set(name, new Tensor('int32', [zeroPoint], dims));
    else {
      const { weight, weightScale, bias } = layers.get(node)!;
      if (role === 'weight_scale') state.set(name, new Tensor('float32', weightScale, dims));
      else if (role === 'bias') state.set(name, new Tensor('int32', bias, dims));
      else state.set(name, new Tensor(weight instanceof Int8Array ? 'int8' : 'int16', weight, dims));
    }
  }
  return state;
}

/** The scale of every value. */
function scalesOf({ graph, seen, input }: QuantizeState, levels: Levels): Map<string, ValueScale> {
  const rangeOf = (name: string) => seen.values.get(name)!.observer.range(levels);
  const scales = new Map<string, ValueScale>();
  for (const [name, owner] of scaleOwners(graph)) scales.set(name, scaleOf(rangeOf(owner), levels));
  if (input !== null) scales.set(INPUT, input);
  // Zeros have any scale; an addition wants one that is near to its own.
  for (const node of graph.nodes) {
    if (node.op !== 'add') continue;
    const { scale } = scales.get(node.name)!;
    for (const name of [node.input, node.other])
      if (isNothing(rangeOf(name))) scales.set(name, { scale, zeroPoint: 0 });
  }
  return scales;
}

function layerOf(
  node: ConvNode | LinearNode,
  { floats, seen, input, biasCorrection }: QuantizeState,
  scales: ReadonlyMap<string, ValueScale>,
  levels: Levels,
): QuantizedLayer {
  const { scale, zeroPoint } = scales.get(node.input)!;
  const layerInput = {
    scale,
    most: Math.max(levels.max - zeroPoint, zeroPoint - levels.min),
    shift: node.input === INPUT ? (input?.shift ?? 0) : 0,
    means: biasCorrection ? seen.means(node.input) : null,
  };
  return quantizeLayer(foldLayer(node, floats), layerInput, levels);
}
