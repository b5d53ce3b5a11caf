/** `mobilenet-v2 convert`: another framework's MobileNetV2 to a folder that this program and transformers read. */
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { type CheckpointDtype, type Converted, convert } from '../entries/convert-node.js';
import type { Quantized } from '../entries/quantize.js';
import { EXIT, UsageError } from './errors.js';
import { readLabels } from './labels.js';
import { inFlags } from './language.js';
import { addLastOptions, examples, heightWidth, outputPath, wholeNumber } from './options.js';
import { mayOverwrite } from './overwrite.js';
import {
  calibrateOption,
  calibrationPictures,
  observerOption,
  type QuantizeFlags,
  quantizeConverted,
  reportLine,
  WHOLE_DTYPES,
  type WholeDtype,
} from './quantize.js';
import type { Session } from './session.js';
import { grouped, json, printable } from './text.js';

interface ConvertFlags extends QuantizeFlags {
  dtype?: CheckpointDtype | WholeDtype;
  labels?: string;
  size?: [height: number, width: number];
  shortestEdge?: number;
  pixelRange?: [low: number, high: number];
  head: boolean;
  strict: boolean;
  force?: true;
  json?: true;
}

const WRITTEN = ['config.json', 'preprocessor_config.json', 'model.safetensors'];

const DTYPES: Record<string, CheckpointDtype> = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' };

const WHOLE = ['int8', 'int16'];

export function addConvert(program: Command, session: Session): void {
  const command = program
    .command('convert')
    .summary('Convert a model of another framework.')
    .description(
      'Convert a MobileNetV2 to config.json, preprocessor_config.json and model.safetensors in a folder. It reads Keras ' +
        '(.h5, .keras, .weights.h5), torchvision and timm (.pth, .pt, .bin, .safetensors, a folder of the hub; also ' +
        'checkpoints of training), TensorFlow.js (model.json), TensorFlow Lite (.tflite), checkpoints of ' +
        'TF-slim (.ckpt.index) and Hugging Face (a folder, or org/name on the hub). Quantized ones stay so: TensorFlow ' +
        'Lite, TF-slim trained for 8 bits, torchvision for qnnpack or fbgemm.',
    )
    .argument('<in>', 'file or folder of the model, org/name or its page on the hub')
    .argument('<out>', 'folder to write', outputPath)
    .addOption(
      new Option(
        '--dtype <type>',
        `numbers in the file: ${[...Object.keys(DTYPES), ...WHOLE].join(', ')} (default: f32; a quantized model stays so)`,
      ).argParser(dtype),
    )
    .addOption(calibrateOption())
    .addOption(observerOption())
    .option('--labels <file>', 'names of the classes: a line each, or JSON')
    .addOption(new Option('--size <HxW>', 'of the input (default: as the source says, or 224)').argParser(heightWidth))
    .addOption(
      new Option('--shortest-edge <n>', 'before the crop (torchvision, timm)').argParser(wholeNumber(1, 65_536)),
    )
    .addOption(
      new Option('--pixel-range <low,high>', 'of pixels that enter a Keras, TF.js or TFLite model').argParser(range),
    )
    .option('--no-head', 'the backbone alone, without a classifier')
    .option('--no-strict', 'leave out tensors that have no place')
    .option('-y, --force', 'overwrite a model in the folder, do not ask')
    .addOption(new Option('--yes', 'the same').hideHelp().implies({ force: true }))
    .option('--json', 'print a JSON object')
    .action((from: string, to: string, flags: ConvertFlags) => run(from, to, flags, session));
  addLastOptions(command);
  examples(command, [
    'convert mobilenet_v2-7ebf99e0.pth imagenet --labels names.txt',
    'convert flowers.keras flowers --dtype f16',
    'convert tfjs/model.json nsfw --labels labels.json',
    'convert mobilenet_v2_1.0_224_quant.tflite quantized',
    'convert flowers.keras fast --dtype int16 --calibrate photos',
  ]);
}

function dtype(text: string): CheckpointDtype | WholeDtype {
  if (Object.hasOwn(WHOLE_DTYPES, text)) return WHOLE_DTYPES[text];
  const short = text.replace(/^(b)?(?:fp|float)(?=\d)/, '$1f'); // as transformers and transformers.js have it
  if (Object.hasOwn(DTYPES, short)) return DTYPES[short];
  throw new InvalidArgumentError(`Expected ${[...Object.keys(DTYPES), ...WHOLE].join(', ')}.`);
}

function range(text: string): [low: number, high: number] {
  const numbers = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (numbers.length === 2 && numbers[0] < numbers[1]) return numbers as [number, number];
  throw new InvalidArgumentError('Expected two numbers, the lower first, such as 0,1.');
}

async function run(from: string, to: string, flags: ConvertFlags, session: Session): Promise<void> {
  const pictures = await calibrationPictures(flags.dtype, flags);
  await refuseSource(from, to);
  if (!flags.force && !(await mayOverwrite(to, WRITTEN, session))) {
    process.stderr.write('mobilenet-v2: nothing was written\n');
    session.exitCode = EXIT.failed;
    return;
  }
  const labels = flags.labels === undefined ? undefined : await readLabels(flags.labels);
  const converted = await session.unlessStopped(
    convert(from, {
      signal: session.signal,
      strict: flags.strict,
      ...(!flags.head && { head: false }),
      ...(flags.dtype && { dtype: 'float32' }),
      ...(labels && { labels }),
      ...(flags.size && { size: flags.size }),
      ...(flags.pixelRange && { pixelRange: flags.pixelRange }),
      ...(flags.shortestEdge !== undefined && { shortest_edge: flags.shortestEdge }),
    }),
  );
  if (pictures !== undefined) {
    const dtype = flags.dtype as WholeDtype;
    const quantized = await quantizeConverted(converted, pictures, { ...flags, dtype }, session);
    await quantized.save_pretrained(to);
    report({ ...converted, state: quantized.state }, to, flags, quantized);
    return;
  }
  const floats = flags.dtype as CheckpointDtype | undefined;
  await converted.save_pretrained(to, floats && { dtype: floats });
  report(converted, to, flags);
}

/** What is converted must not be written over: it may be the only copy. Compared by where names lead in the end. */
async function refuseSource(from: string, to: string): Promise<void> {
  const real = (path: string) => realpath(path).catch(() => undefined);
  const source = await real(from);
  if (source === undefined) return; // a model of the hub, or one that is not there
  const places = [await real(to), ...(await Promise.all(WRITTEN.map((name) => real(join(to, name)))))];
  if (!places.includes(source)) return;
  throw new UsageError(`${printable(to)} is where the model to be converted lies; name another folder to write`);
}

function report(
  { from, architecture, config, dtype, unmapped, notes, state }: Converted,
  to: string,
  flags: ConvertFlags,
  quantized?: Quantized<unknown>,
): void {
  const { num_labels, depth_multiplier, image_size } = config;
  if (flags.json) {
    const result = {
      from,
      architecture,
      num_labels,
      depth_multiplier,
      image_size,
      dtype: flags.dtype ?? dtype,
      unmapped,
      notes,
      ...(quantized && { quantization: quantized.report }),
    };
    process.stdout.write(`${json({ path: to, ...result }, 2)}\n`);
    return;
  }
  const size = Array.isArray(image_size) ? image_size.join('×') : `${image_size}×${image_size}`;
  const classes = architecture === 'MobileNetV2Model' ? 'no classifier' : `${grouped(num_labels)} classes`;
  const what = `width ${depth_multiplier}, ${size}, ${classes}, ${state.size} tensors as ${flags.dtype ?? dtype}`;
  process.stdout.write(`${from} → ${printable(to)}: ${architecture}, ${what}\n`);
  if (quantized !== undefined) process.stdout.write(`${reportLine(quantized)}\n`);
  for (const note of notes) process.stderr.write(`mobilenet-v2: ${printable(inFlags(note))}\n`);
  if (unmapped.length > 0) process.stderr.write(`mobilenet-v2: left out: ${printable(unmapped.join(', '))}\n`);
}
