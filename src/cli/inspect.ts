/** `mobilenet-v2 inspect`: a checkpoint's layers, what they make, how many weights they hold and what they cost. */
import type { Command } from 'commander';
import { MobileNetV2Config } from '../entries/main-node.js';
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
  const layers = layersOf(config, height, width);
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
function layersOf(config: MobileNetV2Config, height: number, width: number): Row[] {
  const model = new (modelClass(architectureOf(config)))(config, { state: new Map() });
  return model
    .layers([1, config.num_channels, height, width])
    .map(({ name, description, dims, parameters, multiplyAdds }) => ({
      name,
      operation: description,
      output: dims?.slice(1) ?? null,
      parameters,
      multiply_adds: multiplyAdds,
    }));
}
