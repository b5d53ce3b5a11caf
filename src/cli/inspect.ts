/** `mobilenet-v2 inspect`: a checkpoint's layers, what they make, how many weights they hold and what they cost. */
import type { Command } from 'commander';
import { multiplyAdds } from '../layers/spec.js';
import { type ConvNode, INPUT, type Node, parametersOf } from '../models/graph.js';
import { lower, type Value } from '../models/runtime/lower.js';
import { MobileNetV2Config } from '../node.js';
import { architectureOf, folderOf, imageSize, modelClass } from './checkpoint.js';
import { debugOption, examples, modelOption, sizeOption } from './options.js';
import type { Session } from './session.js';
import { grouped, millions, printable, table } from './text.js';

interface InspectFlags {
  model?: string;
  size?: [height: number, width: number];
  json?: true;
}

/** What can be learnt by training. The mean and variance of a batch norm are measured, and not counted. */
const LEARNT = new Set(['weight', 'bias', 'norm_weight', 'norm_bias']);

interface Layer {
  name: string;
  operation: string;
  /** [C,H,W], null for a layer that the task does not use. */
  output: number[] | null;
  parameters: number;
  multiply_adds: number;
}

export function addInspect(program: Command, session: Session): void {
  const command = program
    .command('inspect')
    .summary('Show the layers of a model.')
    .description('Show the layers of a model: shapes, parameters, multiply-adds. Reads config.json alone.')
    .argument('[dir]', 'folder of the model (default: the one that ships with this program)')
    .addOption(modelOption('the same as the argument'))
    .addOption(sizeOption())
    .option('--json', 'print a JSON object')
    .addOption(debugOption())
    .action((dir: string | undefined, flags: InspectFlags) => inspect(dir, flags, session));
  examples(command, ['inspect', 'inspect deeplabv3_mobilenet_v2_1.0_513', 'inspect --size 96x128 --json']);
}

async function inspect(dir: string | undefined, flags: InspectFlags, session: Session): Promise<void> {
  const config = await session.unlessStopped(MobileNetV2Config.from_pretrained(folderOf(dir, flags)));
  const architecture = architectureOf(config);
  const [height, width] = flags.size ?? imageSize(config);
  const layers = layersOf(config, height, width);
  const totals = {
    parameters: layers.reduce((sum, layer) => sum + layer.parameters, 0),
    multiply_adds: layers.reduce((sum, layer) => sum + layer.multiply_adds, 0),
  };
  if (flags.json) {
    const { id2label: _names, label2id: _ids, ...fields } = config.to_dict();
    const summary = { architecture, input: [1, config.num_channels, height, width], ...totals };
    const report = { ...summary, config: { ...fields, num_labels: config.num_labels }, layers };
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    return;
  }
  const rows = layers.map(({ name, operation, output, parameters, multiply_adds }) => [
    name,
    operation,
    output === null ? 'not used' : output.join('×'),
    parameters === 0 ? '' : grouped(parameters),
    multiply_adds === 0 ? '' : millions(multiply_adds, 2),
  ]);
  const header = ['layer', 'operation', 'output C×H×W', 'parameters', 'multiply-adds'];
  const total = ['total', '', '', grouped(totals.parameters), millions(totals.multiply_adds)];
  process.stdout.write(`${summaryOf(config, height, width)}\n\n${table([header, ...rows, total], [3, 4])}\n`);
}

function summaryOf(config: MobileNetV2Config, height: number, width: number): string {
  const { num_labels, num_channels, depth_multiplier, output_stride, hidden_act, tf_padding } = config;
  const lines = [
    ['architecture', architectureOf(config)],
    ['input', `${num_channels}×${height}×${width}`],
    ['classes', grouped(num_labels)],
    ['depth multiplier', String(depth_multiplier)],
    ['output stride', String(output_stride)],
    ['activation', printable(hidden_act)],
    ['padding', tf_padding ? "TensorFlow's SAME" : 'symmetric'],
  ];
  return table(lines);
}

/** The layers as they stand in the checkpoint, at a size of input. Nothing is folded; `plan` shows what really runs. */
function layersOf(config: MobileNetV2Config, height: number, width: number): Layer[] {
  const { graph } = new (modelClass(architectureOf(config)))(config, { state: new Map() });
  const outputs = graph.outputs.has('logits') ? ['logits'] : ['last_hidden_state', 'pooler_output'];
  const dims = [1, graph.inChannels, height, width] as const;
  const unread = () => new Float32Array(0); // shapes alone: no step is run
  const { values, steps } = lower({ graph, dims, outputs, weights: unread, fuse: false });
  const cost = new Map<string, number>();
  for (const { name, spec } of steps) cost.set(name.replace(/\.convolution$/, ''), multiplyAdds(spec));
  const used = new Set([...values.keys()].filter((name) => name !== INPUT));
  return graph.nodes.map((node) => ({
    name: node.name,
    operation: describe(node),
    output: used.has(node.name) ? dimsOf(values.get(node.name)!) : null,
    parameters: parametersOf([node])
      .filter(({ role }) => LEARNT.has(role))
      .reduce((sum, parameter) => sum + parameter.dims.reduce((product, size) => product * size, 1), 0),
    multiply_adds: cost.get(node.name) ?? 0,
  }));
}

const dimsOf = ({ channels, height, width, flat }: Value): number[] => (flat ? [channels] : [channels, height, width]);

function describe(node: Node): string {
  switch (node.op) {
    case 'convolution':
      return describeConvolution(node);
    case 'average_pool':
      return node.window === 'global' ? 'global average pool' : `average pool ${node.window}×${node.window}`;
    case 'resize':
      return 'bilinear resize';
    default:
      return node.op;
  }
}

function describeConvolution({ kernel, groups, stride, dilation, norm, activation }: ConvNode): string {
  const parts = [`${groups > 1 ? 'depthwise' : 'conv'} ${kernel}×${kernel}`];
  if (stride > 1) parts.push(`stride ${stride}`);
  if (dilation > 1) parts.push(`dilation ${dilation}`);
  if (norm !== null) parts.push('norm');
  if (activation !== 'linear') parts.push(activation);
  return parts.join(', ');
}
