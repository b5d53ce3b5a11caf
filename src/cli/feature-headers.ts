/**
 * Headers of the two file formats for features. Both come before the data and hold its shape, which is known only once
 * the last picture is through, so a header is made to measure: padded to the length that was kept free for it.
 */

export interface FeatureShape {
  /** [N, …] */
  dims: readonly number[];
  /** Names of the N pictures. */
  files: readonly string[];
}

/** Makes a header of exactly `length` bytes, or of the least length that will do when there is none. */
export type MakeHeader = (shape: FeatureShape, length?: number) => Uint8Array;

/** Both formats have the data begin at a multiple of 64, or 8, bytes. */
const roundUp = (size: number, multiple: number): number => Math.ceil(size / multiple) * multiple;

/**
 * NumPy's .npy, version 1.0 (numpy.lib.format): magic, version, little-endian uint16 length of the rest, a Python
 * dictionary padded with spaces and ended by a line break.
 */
export const npyHeader: MakeHeader = ({ dims }, length) => {
  const shape = `(${dims.join(', ')}${dims.length === 1 ? ',' : ''})`;
  const dictionary = `{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }`;
  const size = length ?? roundUp(10 + dictionary.length + 1, 64);
  const bytes = Buffer.alloc(size, ' ');
  bytes.write('\x93NUMPY\x01\x00', 'latin1');
  bytes.writeUInt16LE(size - 10, 8);
  bytes.write(dictionary, 10, 'latin1');
  bytes.write('\n', size - 1);
  return bytes;
};

/**
 * safetensors: little-endian uint64 length of the rest, JSON padded with spaces. The tensor is `features`; `files` in
 * the metadata is a JSON list of the pictures' names, as values must be strings.
 */
export const safetensorsHeader: MakeHeader = ({ dims, files }, length) => {
  // Not elementCount: the longest header there may be has dims that no tensor has.
  const elements = dims.reduce((product, size) => product * size, 1);
  const json = JSON.stringify({
    __metadata__: { files: JSON.stringify(files) },
    features: { dtype: 'F32', shape: dims, data_offsets: [0, 4 * elements] },
  });
  const size = length ?? roundUp(8 + Buffer.byteLength(json), 8);
  const bytes = Buffer.alloc(size, ' ');
  bytes.writeBigUInt64LE(BigInt(size - 8));
  bytes.write(json, 8);
  return bytes;
};
