/**
 * The original quantized networks, from TensorFlow Lite's own files, and the same networks in real numbers beside them:
 * `folder` has the quantized one in every format, `folder/float` the other.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compare } from './files.mjs';
import { endWithLogits } from './formats/cut.mjs';
import { writeOnnx } from './formats/onnx.mjs';
import { writeTflite } from './formats/tflite.mjs';
import { stepsOf } from './steps.mjs';

/** Files that TensorFlow published. They are not ours to ship. */
export const QUANTIZED = {
  'uint8-1.0-224': 'mobilenet_v2_1.0_224_quant.tflite',
  'int8-1.0-224': 'tf2_mobilenet_v2_1.0_224_ptq.tflite',
  'uint8-deeplab-0.5-513': 'deeplabv3_mnv2_dm05_pascal_quant.tflite',
  'uint8-deeplab-1.0-513': 'deeplabv3_mnv2_pascal_quant.tflite',
};

const PICTURE = fileURLToPath(new URL('../../examples/dog.jpg', import.meta.url));
const QDQ = fileURLToPath(new URL('formats/qdq.py', import.meta.url));

/** Share of pixels that have to have the same class where engines round otherwise. */
const LEAST_SAME = 0.9;

/** Why a network cannot be measured here; undefined where it can. */
export function whyNot(name, folder) {
  const file = join(folder, QUANTIZED[name]);
  return existsSync(file) ? undefined : `${name} is skipped: there is no ${file}; --tflite names the folder`;
}

/**
 * @param place.tflite the folder of the files; @param place.python a Python that may have onnxruntime and onnx
 * @returns what `writeFiles` gives, `quantized`, and `notes` on formats that could not be written
 */
export async function writeQuantized(ours, name, parent, { tflite, python }) {
  const { library } = ours;
  const folder = join(parent, name);
  const float = join(folder, 'float');
  const file = join(tflite, QUANTIZED[name]);
  const converted = await ours.convert(file);
  await converted.save_pretrained(folder);
  const segments = converted.architecture.endsWith('Segmentation');
  const bytes = await readFile(file);
  await writeFile(join(folder, 'model.tflite'), segments ? endWithLogits(bytes) : bytes);
  const Model = segments ? library.MobileNetV2ForSemanticSegmentation : library.MobileNetV2ForImageClassification;
  const whole = await Model.from_pretrained(folder, { device: 'js' });
  const real = await Model.from_pretrained(folder, { device: 'js', dtype: 'fp32' });
  await real.save_pretrained(float);

  const processor = await library.MobileNetV2ImageProcessor.from_pretrained(folder);
  const { pixel_values } = await processor(PICTURE);
  const size = pixel_values.dims[2];
  await mkdir(float, { recursive: true });
  for (const to of [folder, float]) await writeFile(join(to, 'pixels.bin'), bytesOf(pixel_values.data));
  await writeFile(join(folder, 'bytes.bin'), asBytes(pixel_values.data, processor));
  const steps = stepsOf(real, size, ours);
  await writeFile(join(float, 'model.onnx'), writeOnnx(steps, size));
  await writeFile(join(float, 'model.tflite'), writeTflite(steps, size));
  const notes = writeQdq(python, float, folder);

  const [{ logits: ownLogits }, { logits: realLogits }] = [await whole({ pixel_values }), await real({ pixel_values })];
  const logits = ownLogits.data;
  const channels = steps.at(-1).shape[2];
  const judge = (engine, output) => {
    if (engine.part === 'float') return compare(realLogits.data, output);
    return engine.exact ? compare(logits, output) : sameClasses(logits, output, channels);
  };
  const about = { quantized: true, qdq: notes.length === 0, notes };
  return { name, folder, dims: pixel_values.dims, channels, judge, ...about };
}

const bytesOf = ({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength);

/** Pixels as TensorFlow's files take them: bytes, channels last. */
function asBytes(pixels, { image_mean: mean, image_std: std }) {
  const count = pixels.length / 3;
  return Uint8Array.from({ length: pixels.length }, (_, i) => {
    const [p, c] = [Math.floor(i / 3), i % 3];
    return Math.round((pixels[c * count + p] * std[c] + mean[c]) * 255);
  });
}

/** @returns notes: why there is no such file */
function writeQdq(python, float, folder) {
  try {
    const args = [QDQ, join(float, 'model.onnx'), join(folder, 'model.onnx'), join(float, 'pixels.bin')];
    execFileSync(python, args, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
    return [];
  } catch (error) {
    const why = (error.stderr || error.message).trim().split('\n').at(-1);
    return [`no QDQ file for onnxruntime, which --python with onnx and onnxruntime would write: ${why}`];
  }
}

/** Whether an output, logits or probabilities in NCHW order, names the same classes as ours. */
function sameClasses(logits, output, channels) {
  const [wanted, found] = [classesOf(logits, channels), classesOf(output, channels)];
  const others = wanted.filter((value, i) => value !== found[i]).length;
  const difference = others / wanted.length;
  return { difference, agrees: found.length === wanted.length && difference <= 1 - LEAST_SAME };
}

function classesOf(values, channels) {
  const pixels = values.length / channels;
  return Array.from({ length: pixels }, (_, p) => {
    let best = 0;
    for (let c = 1; c < channels; c++) if (values[c * pixels + p] > values[best * pixels + p]) best = c;
    return best;
  });
}
