/** Writes a network in every format that an engine reads, and what it should answer. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { shippedIn } from '../shipped.mjs';
import { writeOnnx } from './formats/onnx.mjs';
import { writeTfjs } from './formats/tfjs.mjs';
import { writeTflite } from './formats/tflite.mjs';
import { makeNetwork } from './networks.mjs';
import { stepsOf } from './steps.mjs';

/** Our package, and modules of it that the writers of files start from. */
export async function loadOurs(folder) {
  const module = (file) => import(pathToFileURL(join(folder, 'dist', file)));
  return {
    library: await import(shippedIn(folder)),
    convert: (await import(shippedIn(folder, process.execPath, 'mobilenet-v2/convert'))).convert,
    graph: await module('graph/nodes.js'),
    norm: await module('layers/batch-norm/fold.js'),
    kernel: await module('layers/kernel.js'),
  };
}

/** @returns `{ name, folder, dims, channels, judge }`; outputs are judged by that of our reference engine, NCHW */
export async function writeFiles(ours, name, parent) {
  const { model, size, pixels } = makeNetwork(ours.library, name);
  const folder = join(parent, name);
  await mkdir(folder);
  await model.save_pretrained(folder);
  const steps = stepsOf(model, size, ours);
  const { json, bin } = writeTfjs(steps, size);
  await writeFile(join(folder, 'model.onnx'), writeOnnx(steps, size));
  await writeFile(join(folder, 'model.tflite'), writeTflite(steps, size));
  await writeFile(join(folder, 'steps.json'), json);
  await writeFile(join(folder, 'weights.bin'), bin);
  await writeFile(join(folder, 'pixels.bin'), Buffer.from(pixels.buffer));
  const dims = [1, 3, size, size];
  const { logits } = await model({ pixel_values: new ours.library.Tensor('float32', pixels, dims) });
  const judge = (_engine, output) => compare(logits.data, output);
  return { name, folder, dims, channels: steps.at(-1).shape[2], judge };
}

/** Largest difference, and whether that is rounding. */
export function compare(reference, output) {
  let largest = 0;
  let difference = reference.length === output.length ? 0 : Infinity;
  for (const [i, value] of reference.entries()) {
    largest = Math.max(largest, Math.abs(value));
    const d = Math.abs(value - output[i]);
    if (!(d <= difference)) difference = Number.isNaN(d) ? Infinity : d;
  }
  return { difference, agrees: difference <= 1e-3 * Math.max(1, largest) };
}
