/**
 * The network, from the paper's table and a config to a graph.
 *
 * Sandler, Howard, Zhu, Zhmoginov, Chen: "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018
 * (arXiv:1801.04381). Names of layers are those of Hugging Face's checkpoints.
 */
import { expected } from '../../base/errors.js';
import { roundHalfEven } from '../../base/round.js';
import { type ConvNode, type Graph, INPUT, type Node } from '../../graph/nodes.js';
import { MobileNetV2Config } from './config.js';

/**
 * Table 2 of the paper: t expansion factor, c output channels, n how often the block is repeated, s stride of the
 * first of them. The first row is the block after the first convolution, `conv_stem` in a checkpoint; the others are
 * `layer.0` to `layer.15`. (t comes from `config.expand_ratio`; the table's 6 is its default.)
 */
const TABLE_2 = [
  // t, c, n, s
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;
const FIRST_CHANNELS = 32;
const LAST_CHANNELS = 1280;

/** Channels of the DeepLabV3+ head, whatever the depth multiplier. */
const HEAD_CHANNELS = 256;
/** The head's batch norms use PyTorch's default, not `config.layer_norm_eps`. */
const HEAD_EPSILON = 1e-5;

/** Rounds to a multiple of `divisor`, but never below 90 % of the value. (From the authors' own code.) */
function makeDivisible(value: number, divisor: number, least: number): number {
  const rounded = Math.max(least, Math.floor(Math.trunc(value + divisor / 2) / divisor) * divisor);
  return rounded < 0.9 * value ? rounded + divisor : rounded;
}

/** A channel count of the table under this config's depth multiplier, divisor and minimum. */
function scaledChannels(config: MobileNetV2Config, channels: number): number {
  return makeDivisible(roundHalfEven(channels * config.depth_multiplier), config.depth_divisible_by, config.min_depth);
}

function expandedChannels(config: MobileNetV2Config, channels: number): number {
  return makeDivisible(roundHalfEven(channels * config.expand_ratio), config.depth_divisible_by, config.min_depth);
}

/** Channels of `conv_1x1`, the last layer. With `finegrained_output` a narrow network keeps all 1280 (section 6). */
function lastChannels(config: MobileNetV2Config): number {
  return config.finegrained_output && config.depth_multiplier < 1
    ? LAST_CHANNELS
    : scaledChannels(config, LAST_CHANNELS);
}

/** Builds nodes in order. `prefix` stands before every tensor's name: '' or 'mobilenet_v2.' for the backbone. */
class GraphBuilder {
  readonly nodes: Node[] = [];
  readonly outputs = new Map<string, string>();
  readonly config: MobileNetV2Config;

  constructor(config: MobileNetV2Config) {
    if (!(config instanceof MobileNetV2Config)) throw expected('config', 'a MobileNetV2Config', config);
    this.config = config;
  }

  /** Adds MobileNetV2ConvLayer: convolution, batch norm, activation. Returns the name of its value. */
  conv(
    name: string,
    input: string,
    options: Pick<ConvNode, 'inChannels' | 'outChannels' | 'kernel'> &
      Partial<Pick<ConvNode, 'stride' | 'dilation' | 'groups' | 'activation'>> & {
        prefix: string;
        norm?: boolean;
        epsilon?: number;
      },
  ): string {
    const { prefix, norm = true, epsilon = this.config.layer_norm_eps, ...sizes } = options;
    const path = `${prefix}${name}`;
    this.nodes.push({
      op: 'convolution',
      name,
      input,
      stride: 1,
      dilation: 1,
      groups: 1,
      activation: this.config.hidden_act,
      ...sizes,
      padding: this.config.tf_padding ? 'same' : 'symmetric',
      weight: `${path}.convolution.weight`,
      // Batch norm has a bias of its own, so a convolution has one only without it.
      bias: norm ? null : `${path}.convolution.bias`,
      norm: norm ? { prefix: `${path}.normalization`, epsilon } : null,
    });
    return name;
  }

  add(node: Exclude<Node, ConvNode>): string {
    this.nodes.push(node);
    return node.name;
  }
}

/** The backbone. Returns the name of the last hidden state's value and its channels. */
function backbone(graph: GraphBuilder, prefix: string): { features: string; channels: number } {
  const { config } = graph;

  // conv_stem: a full 3×3 convolution of stride 2, then the first block, which has t = 1: nothing to expand, unless
  // the config asks for an expansion that keeps the channels.
  const firstChannels = scaledChannels(config, FIRST_CHANNELS);
  let channels = scaledChannels(config, TABLE_2[0][1]);
  let value = graph.conv('conv_stem.first_conv', INPUT, {
    prefix,
    inChannels: config.num_channels,
    outChannels: firstChannels,
    kernel: 3,
    stride: 2,
  });
  const wide = { prefix, inChannels: firstChannels, outChannels: firstChannels };
  if (!config.first_layer_is_expansion) value = graph.conv('conv_stem.expand_1x1', value, { ...wide, kernel: 1 });
  value = graph.conv('conv_stem.conv_3x3', value, { ...wide, kernel: 3, groups: firstChannels });
  value = graph.conv('conv_stem.reduce_1x1', value, {
    ...wide,
    outChannels: channels,
    kernel: 1,
    activation: 'linear',
  });

  // layer.0 to layer.15: inverted residuals.
  let reached = 2; // input size over feature-map size so far
  let dilation = 1;
  let index = 0;
  for (const [, c, n, s] of TABLE_2.slice(1)) {
    for (let repeat = 0; repeat < n; repeat++, index++) {
      const tableStride = repeat === 0 ? s : 1;
      let stride: 1 | 2 = tableStride;
      let blockDilation = 1;
      if (reached === config.output_stride) {
        // Small enough: keep the size and look further apart instead. This block still sees the old spacing of
        // samples; the larger dilation starts in the next one.
        stride = 1;
        blockDilation = dilation;
        dilation *= tableStride;
      } else {
        reached *= tableStride;
      }
      const outChannels = scaledChannels(config, c);
      value = invertedResidual(graph, `layer.${index}`, value, {
        prefix,
        inChannels: channels,
        outChannels,
        stride,
        dilation: blockDilation,
      });
      channels = outChannels;
      graph.outputs.set(`hidden_states.${index}`, value);
    }
  }
  return { features: value, channels };
}

/** Expand, filter each channel, project; add the input where nothing changed size (section 3.3, Figure 3b). */
function invertedResidual(
  graph: GraphBuilder,
  name: string,
  input: string,
  block: { prefix: string; inChannels: number; outChannels: number; stride: 1 | 2; dilation: number },
): string {
  const { prefix, inChannels, outChannels, stride, dilation } = block;
  const expanded = expandedChannels(graph.config, inChannels);
  const wide = { prefix, inChannels: expanded, outChannels: expanded };
  let value = graph.conv(`${name}.expand_1x1`, input, { ...wide, inChannels, kernel: 1 });
  value = graph.conv(`${name}.conv_3x3`, value, { ...wide, kernel: 3, stride, dilation, groups: expanded });
  // The projection is linear: an activation here would destroy information (section 3.2).
  value = graph.conv(`${name}.reduce_1x1`, value, { ...wide, outChannels, kernel: 1, activation: 'linear' });
  if (stride === 1 && inChannels === outChannels) {
    value = graph.add({ op: 'add', name: `${name}.add`, input, other: value });
  }
  return value;
}

/** conv_1x1 and the pooling after it. */
function top(graph: GraphBuilder, prefix: string, features: string, channels: number, pool: 'global' | '7x7' | null) {
  const value = graph.conv('conv_1x1', features, {
    prefix,
    inChannels: channels,
    outChannels: lastChannels(graph.config),
    kernel: 1,
  });
  graph.outputs.set('last_hidden_state', value);
  if (pool === null) return;
  const window = pool === 'global' ? 'global' : 7;
  graph.outputs.set('pooler_output', graph.add({ op: 'average_pool', name: 'pooler', input: value, window }));
}

const finish = (graph: GraphBuilder): Graph => ({
  inChannels: graph.config.num_channels,
  nodes: graph.nodes,
  outputs: graph.outputs,
});

/** MobileNetV2Model. Outputs `last_hidden_state`, `pooler_output` and `hidden_states.0` to `.15`. */
export function baseGraph(config: MobileNetV2Config, pool: 'global' | '7x7' | null): Graph {
  const graph = new GraphBuilder(config);
  const { features, channels } = backbone(graph, '');
  top(graph, '', features, channels, pool);
  return finish(graph);
}

/** MobileNetV2ForImageClassification. Outputs those of the base model and `logits`. */
export function classificationGraph(config: MobileNetV2Config, pool: 'global' | '7x7'): Graph {
  const graph = new GraphBuilder(config);
  const { features, channels } = backbone(graph, 'mobilenet_v2.');
  top(graph, 'mobilenet_v2.', features, channels, pool);
  let logits = 'pooler';
  if (config.num_labels > 0) {
    logits = graph.add({
      op: 'linear',
      name: 'classifier',
      input: 'pooler',
      inChannels: lastChannels(config),
      outChannels: config.num_labels,
      weight: 'classifier.weight',
      bias: 'classifier.bias',
    });
  }
  graph.outputs.set('logits', logits);
  return finish(graph);
}

/**
 * MobileNetV2ForSemanticSegmentation: the head of DeepLabV3+ (arXiv:1802.02611) as the MobileNetV2 paper uses it
 * (section 6.3): one pooled branch, one 1×1 branch, no atrous pyramid. `logits` keep the size of the features.
 */
export function segmentationGraph(config: MobileNetV2Config): Graph {
  const graph = new GraphBuilder(config);
  const { features, channels } = backbone(graph, 'mobilenet_v2.');
  // Hugging Face's checkpoints hold conv_1x1, though the head never reads it. Planning for logits drops it again.
  top(graph, 'mobilenet_v2.', features, channels, null);

  const branch = {
    prefix: '',
    outChannels: HEAD_CHANNELS,
    kernel: 1,
    activation: 'relu',
    epsilon: HEAD_EPSILON,
  } as const;
  const head = 'segmentation_head';
  const pooled = graph.add({ op: 'average_pool', name: `${head}.avg_pool`, input: features, window: 'global' });
  const poolBranch = graph.conv(`${head}.conv_pool`, pooled, { ...branch, inChannels: channels });
  const spread = graph.add({
    op: 'resize',
    name: `${head}.resize`,
    input: poolBranch,
    like: features,
    alignCorners: true,
  });
  const aspp = graph.conv(`${head}.conv_aspp`, features, { ...branch, inChannels: channels });
  const both = graph.add({ op: 'concat', name: `${head}.concat`, input: spread, other: aspp });
  const projected = graph.conv(`${head}.conv_projection`, both, { ...branch, inChannels: 2 * HEAD_CHANNELS });
  const logits = graph.conv(`${head}.classifier`, projected, {
    prefix: '',
    inChannels: HEAD_CHANNELS,
    outChannels: config.num_labels,
    kernel: 1,
    norm: false,
    activation: 'linear',
  });
  graph.outputs.set('logits', logits);
  return finish(graph);
}
