/**
 * What a TFLite file says about itself to those who use it: a FlatBuffer of another schema in one of its buffers.
 *
 * Source: tensorflow/tflite-support, metadata_schema.fbs (M001); the numbers of fields below are those of the schema.
 */
import { Flatbuffer } from './flatbuffer.js';

/** In the file's list of metadata. */
export const METADATA_NAME = 'TFLITE_METADATA';
const NORMALIZATION = 1;

/** Numbers that enter the network: (x − mean) / std, where x is a byte of a picture. One for all channels, or one for each. */
export interface Normalization {
  mean: readonly number[];
  std: readonly number[];
}

/**
 * @param file for messages
 * @returns what is said about the first input; undefined where nothing is said, or what cannot be
 * @throws MobileNetError FLATBUFFER
 */
export function normalizationOf(metadata: Uint8Array, file: string): Normalization | undefined {
  const [graph] = new Flatbuffer(metadata, `${file}/${METADATA_NAME}`).root().tables(3);
  const [input] = graph?.tables(2) ?? [];
  const unit = input?.tables(4).find((one) => one.number(0, 'uint8') === NORMALIZATION);
  const options = unit?.table(1);
  if (options === undefined) return undefined;
  const [mean, std] = [options.float32s(0), options.float32s(1)];
  const fits = (values: number[]) => values.length === 1 || values.length === 3;
  if (!fits(mean) || !fits(std) || !mean.every(Number.isFinite)) return undefined;
  return std.every((value) => value > 0 && value < Infinity) ? { mean, std } : undefined;
}
