/** Reads the files that `mobilenet-v2 features` writes: pooled features and the names of their pictures. */
import { extname } from 'node:path';
import { env, MobileNetError } from '../entries/main-node.js';
import { readSafetensors } from '../formats/safetensors.js';
import { readWhole } from '../platforms/node/reading.js';
import { parseCsv } from './cells.js';
import { UsageError, unreadable } from './errors.js';
import { FEATURE_EXTENSIONS, rowsFile } from './feature-file.js';

export interface StoredFeatures {
  /** Of each row. */
  files: readonly string[];
  /** [N,C] */
  data: Float32Array;
  width: number;
}

/** @throws UsageError for a file that is not there or of another kind, MobileNetError for one that is damaged */
export async function readFeatures(path: string): Promise<StoredFeatures> {
  const extension = extname(path);
  if (!FEATURE_EXTENSIONS.includes(extension))
    throw new UsageError(`--features: expected a ${FEATURE_EXTENSIONS.join(' or ')} file, got ${path}`);
  const bytes = await readFeatureFile(path);
  const { dims, start } = extension === '.npy' ? npyShape(bytes, path) : safetensorsShape(bytes, path);
  if (dims.length !== 2)
    fail(path, `features are [${dims}], expected [pictures, numbers]; write them without --no-pool`);
  const [count, width] = dims;
  if (bytes.length - start !== 4 * count * width) fail(path, 'it ends before its header says so; write it again');
  const files = await namesOf(path, bytes);
  if (files.length !== count) fail(path, `it has ${count} rows, and names for ${files.length}; write it again`);
  // Copied, as the bytes may lie where no float32 can.
  return { files, data: new Float32Array(new Uint8Array(bytes.subarray(start)).buffer), width };
}

function fail(file: string, message: string): never {
  throw new MobileNetError('BAD_HEADER', `${file}: ${message}`, { file });
}

async function readFeatureFile(path: string): Promise<Uint8Array> {
  try {
    return await readWhole(path, undefined, env.limits.weightsBytes);
  } catch (error) {
    if (error instanceof MobileNetError && error.code === 'LIMIT') throw error;
    throw unreadable('--features', path, error);
  }
}

function npyShape(bytes: Uint8Array, path: string): { dims: number[]; start: number } {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 1024)).toString('latin1');
  const version1 = text.startsWith('\x93NUMPY\x01\x00');
  const match = version1
    ? /^.{10}\{'descr': '<f4', 'fortran_order': False, 'shape': \(([\d, ]*)\), \} *\n/s.exec(text)
    : null;
  if (match === null) fail(path, 'expected a .npy file of little-endian float32, as mobilenet-v2 features writes it');
  return {
    dims: match[1]
      .split(',')
      .filter((size) => size.trim() !== '')
      .map(Number),
    start: match[0].length,
  };
}

function safetensorsShape(bytes: Uint8Array, path: string): { dims: readonly number[]; start: number } {
  const features = readSafetensors(bytes, { file: path }).tensors.get('features');
  if (features?.dtype !== 'F32') fail(path, 'expected a float32 tensor "features", as mobilenet-v2 features writes it');
  return { dims: features.dims, start: features.offset };
}

async function namesOf(path: string, bytes: Uint8Array): Promise<string[]> {
  const rows = rowsFile(path);
  if (rows !== null)
    return parseCsv(new TextDecoder().decode(await readFeatureFile(rows)))
      .slice(1)
      .map(([, file]) => file ?? '');
  const { files = '[]' } = readSafetensors(bytes, { file: path }).metadata;
  const names: unknown = safeParse(files);
  if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return names;
  return fail(path, 'its metadata has no list of "files"; write it with mobilenet-v2 features');
}

function safeParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
