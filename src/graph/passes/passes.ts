/**
 * From layers to the fewest steps that compute them. A pass is a function from graph to graph and keeps every output of the
 * graph. The order matters:
 *
 * 1. `separate`: every layer as the paper draws it, one operation a node;
 * 2. `foldBatchNorm`: a batch norm becomes a part of the convolution before it. The others look for convolutions without one
 *    between, so it comes first;
 * 3. `fuseClamp`: ReLU and ReLU6 become the bounds of a convolution's store;
 * 4. `fuseResidual`: the addition moves into the store of the convolution that made one of its halves. After the clamps,
 *    because a convolution with an activation may not take it;
 * 5. `poolToBias`: the pooled branch of a segmentation head becomes a bias. It wants whole convolutions, so it is the last.
 *
 * The reference engine runs what `separate` gives, all other engines what comes out at the end. Both compute the same
 * function, so the first is the oracle of the second.
 */
import type { Graph } from '../nodes.js';
import { foldBatchNorm } from './fold-batch-norm.js';
import { fuseClamp } from './fuse-clamp.js';
import { fuseResidual } from './fuse-residual.js';
import { poolToBias } from './pool-to-bias.js';
import { separate } from './separate.js';

export type Pass = (graph: Graph) => Graph;

/** The network as it is drawn. */
export const DRAWN: readonly Pass[] = [separate];
/** The network in few steps. */
export const FUSED: readonly Pass[] = [separate, foldBatchNorm, fuseClamp, fuseResidual, poolToBias];

export const applyPasses = (graph: Graph, passes: readonly Pass[]): Graph =>
  passes.reduce((result, pass) => pass(result), graph);
