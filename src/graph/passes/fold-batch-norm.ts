/**
 * A batch norm that alone reads a convolution becomes a part of it: both are affine, so the convolution's weights can do the
 * work of both (layers/batch-norm has the arithmetic). The other order, batch norm first, could not be folded at a border,
 * where the convolution reads zeros that no norm has seen.
 */
import type { Graph } from '../nodes.js';
import { absorb } from './absorb.js';

/** @param folds false for a norm, by its prefix, that stays as it is: training may change its statistics */
export function foldBatchNorm(graph: Graph, folds: (prefix: string) => boolean = () => true): Graph {
  return absorb(graph, ({ norm, activation, residual }, reader) => {
    const isPlain = norm === null && activation === 'linear' && residual === undefined;
    if (reader.op !== 'batch_norm' || !isPlain || !folds(reader.prefix)) return null;
    return { norm: { prefix: reader.prefix, epsilon: reader.epsilon } };
  });
}
