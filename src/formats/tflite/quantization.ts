/** How whole numbers of a TFLite tensor stand for real ones: real = scale · (number − zero point). */
import { type ErrorCode, show } from '../../base/errors.js';
import type { StoredDtype, StoredQuantization } from '../stored.js';
import type { Table } from './flatbuffer.js';

/** The lowest and the highest number of the types that can be quantized. */
const RANGES: Partial<Record<StoredDtype, readonly [number, number]>> = {
  U8: [0, 255],
  I8: [-128, 127],
  I16: [-32768, 32767],
  I32: [-(2 ** 31), 2 ** 31 - 1],
  I64: [-(2 ** 63), 2 ** 63],
};

/** @returns undefined for a tensor of real numbers */
export function readQuantization(
  table: Table | undefined,
  { dtype, dims }: { dtype: StoredDtype; dims: readonly number[] },
  fail: (code: ErrorCode, message: string) => never,
): StoredQuantization | undefined {
  const range = RANGES[dtype];
  // Of float tensors a table may say between which numbers they lay in training; nothing computes with that.
  if (table === undefined || range === undefined) return undefined;
  const scales = table.float32s(2);
  if (scales.length === 0) return undefined;
  if (table.number(4, 'uint8') !== 0) fail('UNSUPPORTED', 'it is quantized in a way of its own');
  const given = table.int64s(3);
  const zeroPoints = given.length === 0 ? scales.map(() => 0) : given;
  if (zeroPoints.length !== scales.length) {
    fail('QUANT', `expected a zero point for each of ${scales.length} scales, got ${zeroPoints.length}`);
  }
  const axis = table.number(6, 'int32');
  if (scales.length > 1 && dims[axis] !== scales.length) {
    fail('QUANT', `expected ${show(dims[axis])} scales along dimension ${axis} of ${show(dims)}, got ${scales.length}`);
  }
  const wrong = scales.findIndex((scale) => !(scale > 0 && Number.isFinite(scale)));
  if (wrong >= 0) fail('QUANT', `expected scales above 0, got ${scales[wrong]} at ${wrong}`);
  const outside = zeroPoints.findIndex((zero) => zero < range[0] || zero > range[1]);
  if (outside >= 0) fail('QUANT', `expected zero points that ${dtype} can hold, got ${zeroPoints[outside]}`);
  return { scales, zeroPoints, axis: scales.length > 1 ? axis : null };
}
