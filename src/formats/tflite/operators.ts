/**
 * The operators of TFLite that a MobileNetV2 can be made of: their numbers, the fields of their options, and up to which
 * version what is here is all that they mean. Others are known by name only, for messages.
 *
 * Source: TensorFlow 2.20, compiler/mlir/lite/schema/schema.fbs and lite/tools/versioning/op_version.cc.
 */
import type { Scalar, Table } from './flatbuffer.js';

/** Field of an options table: its number, its type, and what it is where it is left out. */
type Field = readonly [id: number, type: Scalar, preset?: number];

interface Known {
  name: string;
  /** Later ones mean something else, such as weights of 4 bits. */
  version: number;
  /** The number of its options in the union, and their fields. */
  options?: readonly [kind: number, fields: Readonly<Record<string, Field>>];
}

const activation = (id: number): { activation: Field } => ({ activation: [id, 'int8'] });

const KNOWN: Readonly<Record<number, Known>> = {
  0: { name: 'ADD', version: 2, options: [11, activation(0)] },
  1: {
    name: 'AVERAGE_POOL_2D',
    version: 2,
    options: [
      5,
      {
        ...{ padding: [0, 'int8'], strideW: [1, 'int32'], strideH: [2, 'int32'] },
        ...{ filterW: [3, 'int32'], filterH: [4, 'int32'] },
        ...activation(5),
      },
    ],
  },
  2: { name: 'CONCATENATION', version: 2, options: [10, { axis: [0, 'int32'], ...activation(1) }] },
  3: {
    name: 'CONV_2D',
    version: 6,
    options: [
      1,
      {
        ...{ padding: [0, 'int8'], strideW: [1, 'int32'], strideH: [2, 'int32'] },
        ...activation(3),
        ...{ dilationW: [4, 'int32', 1], dilationH: [5, 'int32', 1] },
      },
    ],
  },
  4: {
    name: 'DEPTHWISE_CONV_2D',
    version: 6,
    options: [
      2,
      {
        ...{ padding: [0, 'int8'], strideW: [1, 'int32'], strideH: [2, 'int32'] },
        ...activation(4),
        ...{ dilationW: [5, 'int32', 1], dilationH: [6, 'int32', 1] },
      },
    ],
  },
  6: { name: 'DEQUANTIZE', version: 5 },
  9: { name: 'FULLY_CONNECTED', version: 12, options: [8, { ...activation(0), weightsFormat: [1, 'int8'] }] },
  14: { name: 'LOGISTIC', version: 2 },
  18: { name: 'MUL', version: 3, options: [21, activation(0)] },
  22: { name: 'RESHAPE', version: 1 },
  23: {
    name: 'RESIZE_BILINEAR',
    version: 3,
    options: [15, { alignCorners: [2, 'uint8'], halfPixelCenters: [3, 'uint8'] }],
  },
  25: { name: 'SOFTMAX', version: 2, options: [9, { beta: [0, 'float32'] }] },
  34: { name: 'PAD', version: 2 },
  40: { name: 'MEAN', version: 2, options: [27, { keepDims: [0, 'uint8'] }] },
  41: { name: 'SUB', version: 3, options: [28, activation(0)] },
  42: { name: 'DIV', version: 2, options: [29, activation(0)] },
  43: { name: 'SQUEEZE', version: 1 },
  53: { name: 'CAST', version: 6 },
  56: { name: 'ARG_MAX', version: 2, options: [40, {}] },
  114: { name: 'QUANTIZE', version: 3 },
};

/** Of those that come in files of other networks. */
const OTHERS: Readonly<Record<number, string>> = {
  ...{ 17: 'MAX_POOL_2D', 19: 'RELU', 20: 'RELU_N1_TO_1', 21: 'RELU6', 28: 'TANH', 32: 'CUSTOM', 36: 'GATHER' },
  ...{ 37: 'BATCH_TO_SPACE_ND', 38: 'SPACE_TO_BATCH_ND', 39: 'TRANSPOSE', 45: 'STRIDED_SLICE', 49: 'SPLIT' },
  ...{ 54: 'PRELU', 55: 'MAXIMUM', 57: 'MINIMUM', 60: 'PADV2', 67: 'TRANSPOSE_CONV', 77: 'SHAPE', 83: 'PACK' },
  ...{ 97: 'RESIZE_NEAREST_NEIGHBOR', 98: 'LEAKY_RELU', 117: 'HARD_SWISH', 124: 'DENSIFY', 126: 'BATCH_MATMUL' },
};

export const PADDING = { SAME: 0, VALID: 1 } as const;
/** Fused activations, by transformers' names. */
export const ACTIVATIONS: Readonly<Record<number, string>> = { 0: 'linear', 1: 'relu', 3: 'relu6' };

/** @returns the name, `custom` for an operator of somebody's own, and whether this version is known */
export function operatorOf(code: number, version: number): { name: string; isKnown: boolean } {
  const known = Object.hasOwn(KNOWN, code) ? KNOWN[code] : undefined;
  return {
    name: known?.name ?? (Object.hasOwn(OTHERS, code) ? OTHERS[code] : `operator ${code}`),
    isKnown: known !== undefined && version >= 1 && version <= known.version,
  };
}

/** The number of the options that an operator has in the union; 0 where it has none that matter. */
export const kindOfOptions = (code: number): number => KNOWN[code]?.options?.[0] ?? 0;

/** Numbers of the options by name; where the table is left out, what its fields then stand for. */
export function optionsOf(code: number, table: Table | undefined): Readonly<Record<string, number>> {
  const fields = Object.hasOwn(KNOWN, code) ? (KNOWN[code].options?.[1] ?? {}) : {};
  return Object.fromEntries(
    Object.entries(fields).map(([name, [id, type, preset = 0]]) => [name, table?.number(id, type, preset) ?? preset]),
  );
}
