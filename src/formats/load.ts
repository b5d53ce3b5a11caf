/** Finds the weights of a model in its folder, whatever format they are in. */

import { MobileNetError, show } from '../base/errors.js';
import { type Folder, readModelFile } from '../base/folder.js';
import { missing } from '../base/foreign.js';
import { firstNonFinite } from '../tensor/finite.js';
import type { Tensor } from '../tensor/tensor.js';
import { readPytorch } from './pytorch.js';
import { readSafetensors } from './safetensors.js';
import { readSharded, readShardIndex } from './shards.js';
import type { StoredTensor, StoredTensors } from './stored.js';

/** In the order of preference that transformers has. */
const FILES = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
] as const;

/**
 * Reads the first of {@link FILES} that the folder has, or that its alternative has if it has none.
 *
 * @returns the tensors, and `file`: the one that was found, with its folder (of a checkpoint in shards, the index)
 * @throws MobileNetError NOT_FOUND when the folder has none, and the errors of the file's reader
 */
export async function loadWeights(folder: Folder, signal?: AbortSignal): Promise<StoredTensors & { file: string }> {
  for (const name of FILES) {
    const bytes = await readModelFile(folder, name, signal);
    signal?.throwIfAborted();
    if (bytes === undefined) continue;
    // Which of several models is damaged, the folder says.
    const file = `${folder.name}/${name}`;
    if (file.endsWith('.index.json')) {
      return { file, ...(await readSharded(folder, readShardIndex(bytes, { file }), signal)) };
    }
    return {
      file,
      ...(file.endsWith('.bin') ? await readPytorch(bytes, { file, signal }) : readSafetensors(bytes, { file })),
    };
  }
  const other = await folder.alternative?.(signal);
  if (other) return loadWeights(other, signal);
  throw await missing(folder, FILES[0], `weights: expected one of ${FILES.join(', ')}, got none of them`);
}

/**
 * Refuses NaN and infinity: a network with one answers with confidence and is wrong.
 * @param values what `toFloat32(stored)` gave
 * @throws MobileNetError NONFINITE naming the tensor and the first such element (row-major); `offset` is where the
 *   tensor begins in the file
 */
export function checkFinite(stored: StoredTensor, values: Tensor<'float32'>): void {
  const at = firstNonFinite(values.data);
  if (at < 0) return;
  throw new MobileNetError(
    'NONFINITE',
    `${show(stored.name)}: expected finite numbers, got ${values.data[at]} at element ${at} of ${show(stored.dims)} in ${stored.file}`,
    { file: stored.file, tensor: stored.name, offset: stored.offset },
  );
}
