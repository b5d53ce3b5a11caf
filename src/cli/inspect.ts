/** `mobilenet-v2 inspect`: a checkpoint's layers, what they make, how many weights they hold and what they cost. */
import type { Command } from 'commander';
import { MobileNetV2Config, type MobileNetV2Model } from '../entries/main-node.js';
import { quantizedType } from '../models/mobilenet-v2/quantized.js';
import { architectureOf, folderOf, imageSize, modelClass } from './checkpoint.js';
import { withDownloads } from './downloads.js';
import {
  addLastOptions,
  addModelOptions,
  examples,
  type ModelFlags,
  modelOption,
  SHIPPED_MODEL,
  sizeOption,
} from './options.js';
import type { Session } from './session.js';
import { grouped, json, millions, printable, table } from './text.js';

interface InspectFlags extends ModelFlags {
  size?: [height: number, width: number];
  json?: true;
}

interface Row {
  name: string;
  operation: string;
  /** [C,H,W], null for a layer that the task does not use. */
  output: number[] | null;
  parameters: number;
  multiply_adds: number;
  /** Of a quantized checkpoint: how the numbers of the output stand for real ones, and the type of the weights in the file. */
  quantization?: { dtype: string; scale: number; zero_point: number; weights: string | null };
}

export function addInspect(program: Command, session: Session): void {
  const command = program
    .command('inspect')
    .summary('Show the layers of a model.')
    .description('Show the layers of a model: shapes, parameters, multiply-adds.')
    .argument('[model]', `folder or hub name (default: ${SHIPPED_MODEL})`)
    .addOption(modelOption('the same as the argument'))
    .addOption(sizeOption())
    .option('--json', 'print a JSON object')
    .action((dir: string | undefined, flags: InspectFlags) => inspect(dir, flags, session));
  addModelOptions(command, { weights: false });
  addLastOptions(command);
  examples(command, ['inspect', 'inspect deeplabv3_mobilenet_v2_1.0_513', 'inspect --size 96x128 --json']);
}

async function inspect(dir: string | undefined, flags: InspectFlags, session: Session): Promise<void> {
  const folder = folderOf(dir, flags);
  const config = await withDownloads(flags, session, (hub) => MobileNetV2Config.from_pretrained(folder, { ...hub }));
  const architecture = architectureOf(config);
  const [height, width] = flags.size ?? imageSize(config);
  // Scales stand among the weights, which are read for them alone.
  const model =
    quantizedType(config) === undefined
      ? new (modelClass(architecture))(config, { state: new Map() })
      : await withDownloads(flags, session, (hub) => modelClass(architecture).from_pretrained(folder, { ...hub }));
  const layers = layersOf(model, height, width);
  model.dispose();
  const totals = {
    parameters: layers.reduce((sum, layer) => sum + layer.parameters, 0),
    multiply_adds: layers.reduce((sum, layer) => sum + layer.multiply_adds, 0),
  };
  if (flags.json) {
    const { id2label: _names, label2id: _ids, ...fields } = config.to_dict();
    const summary = { architecture, input: [1, config.num_channels, height, width], ...totals };
    const report = { ...summary, config: { ...fields, num_labels: config.num_labels }, layers };
    process.stdout.write(`${json(report, 2)}\n`);
    return;
  }
  const columns = COLUMNS.filter(({ quantized }) => !quantized || quantizedType(config) !== undefined);
  const rows = layers.map((layer) => columns.map(({ cell }) => cell(layer)));
  const blank = columns.slice(1, -2).map(() => '');
  const total = ['total', ...blank, grouped(totals.parameters), millions(totals.multiply_adds)];
  const right = columns.flatMap(({ number }, column) => (number ? [column] : []));
  const header = columns.map(({ title }) => title);
  process.stdout.write(`${summaryOf(config, height, width)}\n\n${table([header, ...rows, total], right)}\n`);
}

interface Column {
  title: string;
  cell: (layer: Row) => string;
  number?: true;
  /** Of quantized checkpoints alone. */
  quantized?: true;
}

const COLUMNS: Column[] = [
  { title: 'layer', cell: ({ name }) => name },
  { title: 'operation', cell: ({ operation }) => operation },
  { title: 'output C×H×W', cell: ({ output }) => output?.join('×') ?? 'not used' },
  { title: 'weights', cell: ({ quantization: q }) => q?.weights ?? '', quantized: true },
  { title: 'scale', cell: ({ quantization: q }) => q?.scale.toPrecision(4) ?? '', quantized: true, number: true },
  { title: 'zero point', cell: ({ quantization: q }) => q?.zero_point.toString() ?? '', quantized: true, number: true },
  { title: 'parameters', cell: ({ parameters: n }) => (n === 0 ? '' : grouped(n)), number: true },
  { title: 'multiply-adds', cell: ({ multiply_adds: n }) => (n === 0 ? '' : millions(n, 2)), number: true },
];

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
    ['numbers', quantizedType(config) ?? 'float32'],
  ];
  return table(lines);
}

/** The layers as they stand in the checkpoint, at a size of input. Nothing is folded; `plan` shows what really runs. */
function layersOf(model: MobileNetV2Model, height: number, width: number): Row[] {
  const { graph, config } = model;
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  const weights = model.state_dict();
  return model
    .layers([1, config.num_channels, height, width])
    .map(({ name, description, dims, parameters, multiplyAdds }) => {
      const row = {
        name,
        operation: description,
        output: dims?.slice(1) ?? null,
        parameters,
        multiply_adds: multiplyAdds,
      };
      const own = graph.quantizations?.get(name);
      if (own === undefined) return row;
      const node = nodes.get(name)!;
      const type = 'weight' in node ? (weights.get(node.weight)?.type ?? null) : null;
      return { ...row, quantization: { dtype: own.type, scale: own.scale, zero_point: own.zeroPoint, weights: type } };
    });
}
