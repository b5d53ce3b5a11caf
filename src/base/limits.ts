/** Limits on what is read, and the checks of those that several formats share. */
import { MobileNetError } from './errors.js';

/** Limits checked before memory is taken. All can be raised by the caller. */
export interface Limits {
  /** Pixels of a picture, width times height. What a JPEG's scans and a damaged PNG may cost is measured by it, too. */
  imagePixels: number;
  /** Bytes of an encoded picture. */
  imageBytes: number;
  /** Scans of a progressive JPEG. */
  jpegScans: number;
  /** Bytes of a safetensors header. */
  headerBytes: number;
  /** Tensors in a checkpoint; a MobileNetV2 has 314. */
  tensors: number;
  /** Bytes of a checkpoint's files of weights, all shards together. */
  weightsBytes: number;
  /** Bytes of a JSON file (config, index). */
  jsonBytes: number;
  /** Nesting of a JSON file. */
  jsonDepth: number;
}

export const DEFAULT_LIMITS: Limits = {
  imagePixels: 50_000_000,
  imageBytes: 64 * 1024 * 1024,
  jpegScans: 100,
  headerBytes: 25_000_000,
  tensors: 100_000,
  weightsBytes: 2 * 1024 ** 3,
  jsonBytes: 10 * 1024 * 1024,
  jsonDepth: 64,
};

/** Throws LIMIT for a file of a model with more bytes than it may have. */
export function checkFileBytes(bytes: number, most: number, file: string): void {
  if (bytes <= most) return;
  throw new MobileNetError(
    'LIMIT',
    `${file}: more than ${most} bytes; raise env.limits.weightsBytes, or jsonBytes for a configuration, if you trust it`,
    { file },
  );
}

/** Throws LIMIT for more tensors than a checkpoint may have. */
export function checkTensorCount(count: number, most: number, file: string): void {
  if (count <= most) return;
  throw new MobileNetError(
    'LIMIT',
    `${file}: ${count} tensors, env.limits.tensors is ${most}; raise it if you trust the file`,
    { file },
  );
}
