/** The checkpoint that ships, in every format that an engine reads, and pictures. */
import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeOnnx } from '../formats/onnx.mjs';
import { writeTfjs } from '../formats/tfjs.mjs';
import { stepsOf } from '../steps.mjs';

const SIZE = 224;

/** The name of the folder, which transformers.js takes for the name of a model. */
export const NETWORK = 'mobilenet';

/** @returns the folder of the network within `parent` */
export async function writeNetwork(modules, ours, parent) {
  const weights = join(ours, 'weights/mobilenet_v2_1.0_224');
  const folder = join(parent, NETWORK);
  await mkdir(join(folder, 'onnx'), { recursive: true });
  for (const file of ['config.json', 'preprocessor_config.json', 'model.safetensors']) {
    await copyFile(join(weights, file), join(folder, file));
  }
  const { MobileNetV2ForImageClassification } = modules.library;
  const model = await MobileNetV2ForImageClassification.from_pretrained(weights, { device: 'reference' });
  const steps = stepsOf(model, SIZE, modules);
  const onnx = writeOnnx(steps, SIZE);
  const { json, bin } = writeTfjs(steps, SIZE);
  await writeFile(join(folder, 'model.onnx'), onnx);
  await writeFile(join(folder, 'onnx/model.onnx'), onnx);
  await writeFile(join(folder, 'steps.json'), json);
  await writeFile(join(folder, 'weights.bin'), bin);
  return folder;
}

/** @returns the folder of pictures within `parent`, made by Pillow */
export function writePictures(python, parent) {
  const folder = join(parent, 'pictures');
  try {
    execFileSync(python, [fileURLToPath(new URL('pictures.py', import.meta.url)), folder], { stdio: 'pipe' });
  } catch (error) {
    const why = String(error.stderr ?? error.message)
      .trim()
      .split('\n')
      .at(-1);
    throw new Error(`--python ${python}: making the pictures needs Pillow and NumPy (${why})`);
  }
  return folder;
}

/** Whether that Python can be a row of its own. */
export function hasTransformers(python) {
  try {
    execFileSync(python, ['-c', 'import torch; from transformers import MobileNetV2ImageProcessorPil'], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    return false;
  }
}
