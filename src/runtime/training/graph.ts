/**
 * The graph that is trained. A norm whose statistics stay as they are is folded into its convolution, as when a network runs;
 * one that looks at the batch stays a node, with the clamp after it. Nothing else of the passes would be right to go back
 * through, or would pay.
 */
import type { BatchNormNode, Graph, Node, QuantizeNode, RequantizeNode } from '../../graph/nodes.js';
import { onlyReaders } from '../../graph/passes/absorb.js';
import { foldBatchNorm } from '../../graph/passes/fold-batch-norm.js';
import { fuseClamp } from '../../graph/passes/fuse-clamp.js';
import { fuseResidual } from '../../graph/passes/fuse-residual.js';
import { separate } from '../../graph/passes/separate.js';
import type { FusedActivation } from '../../layers/spec.js';

/** Batch norm with the statistics of the batch, and the clamp after it. */
export interface BatchNode extends BatchNormNode {
  clamp: FusedActivation;
}

/** Factors for each channel of each picture: dropout, and through it. */
export interface DropoutNode {
  op: 'dropout';
  name: string;
  input: string;
}

export type TrainingNode = Exclude<Node, BatchNormNode | QuantizeNode | RequantizeNode> | BatchNode | DropoutNode;

/** @param looksAtBatch whether the norm of that prefix has the statistics of the batch */
export function trainingGraph(wanted: Graph, looksAtBatch: (prefix: string) => boolean): Graph {
  const folded = foldBatchNorm(separate(wanted), (prefix) => !looksAtBatch(prefix));
  return clampNorms(fuseResidual(fuseClamp(folded)));
}

const CLAMPS = ['relu', 'relu6'];

/** ReLU and ReLU6 that alone read a norm become the bounds of what it makes. */
function clampNorms(graph: Graph): Graph {
  const onlyReader = onlyReaders(graph);
  const gone = new Set<Node>();
  const nodes = graph.nodes.flatMap((node): Node[] => {
    if (gone.has(node)) return [];
    if (node.op !== 'batch_norm') return [node];
    const reader = onlyReader(node.name);
    const clamps = reader?.op === 'activation' && CLAMPS.includes(reader.function);
    if (clamps) gone.add(reader);
    const norm: BatchNode = {
      ...node,
      name: clamps ? reader.name : node.name,
      clamp: clamps ? (reader.function as FusedActivation) : 'none',
    };
    return [norm];
  });
  return { ...graph, nodes };
}

/** The name of the value that dropout makes. */
const DROPPED = 'dropout';
/** The name of its factors. */
export const FACTORS = 'dropout factors';

/** The nodes of a graph, with dropout before one of them. */
export function nodesOf(graph: Graph, dropsBefore: string | null): TrainingNode[] {
  return graph.nodes.flatMap((node): TrainingNode[] =>
    node.name === dropsBefore
      ? [
          { op: 'dropout', name: DROPPED, input: node.input },
          { ...(node as TrainingNode), input: DROPPED },
        ]
      : [node as TrainingNode],
  );
}
