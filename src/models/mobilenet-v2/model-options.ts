/** How a model is loaded, computes and is written: the options, and what is wrong with them. */
import { checkObject } from '../../base/check.js';
import { MobileNetError, show } from '../../base/errors.js';
import { HUB_OPTIONS, type HubOptions } from '../../base/hub-options.js';
import type { UnusedOptions } from '../../base/options.js';
import type { RawType } from '../../graph/quantization.js';
import type { MemoryMode } from '../../runtime/engines/engine.js';
import { DEVICES, type Device } from '../../runtime/engines/make.js';
import type { CheckpointDtype } from './checkpoint.js';
import { CONFIG_FIELDS, type MobileNetV2Config, type MobileNetV2ConfigOptions } from './config.js';

/** How a model computes. */
export interface ModelOptions {
  /** `auto` (the fastest here), `wasm`, `js` or `reference`. `cpu` is another word for `auto`. Default `auto`. */
  device?: Device | 'cpu' | null;
  /**
   * Threads of the wasm engine, 1 to 64; `auto`, the default, takes what the machine has. The others start with the
   * second call. Where memory cannot be shared (a page that is not cross-origin isolated) there is one.
   */
  threads?: number | 'auto';
  /**
   * `low` computes the wide middle of every block in bands of rows, so that it never lies in memory as a whole: at 224
   * activations take 1.7 MB and not 6. `fast`, the default, does so where it costs no time. The numbers are the same.
   */
  memory?: MemoryMode;
  /** The kernels, compiled from kernels.wasm, for places that forbid compiling (an edge runtime). */
  wasmModule?: WebAssembly.Module;
  /** Seed of the random initialisation. Default 0. */
  seed?: number;
  /** Base model only: false leaves out the pooling, and `pooler_output` with it. Default true. */
  add_pooling_layer?: boolean;
  /**
   * `7x7` is the pooling of the original network, a 7×7 window at stride 1: an input larger than 224 gives a grid of
   * predictions, [N,K,rows,columns]. `global`, the default, is Hugging Face's.
   */
  pool?: 'global' | '7x7';
}

export const MODEL_OPTIONS: readonly string[] = [
  'device',
  'threads',
  'memory',
  'wasmModule',
  'seed',
  'add_pooling_layer',
  'pool',
] satisfies (keyof ModelOptions)[];

/** Element types by the names of transformers (`float16`) and transformers.js (`fp16`). */
export type Dtype = 'float32' | 'fp32' | 'float16' | 'fp16' | 'bfloat16' | 'bf16';
export const DTYPES: Record<Dtype, CheckpointDtype> = {
  ...{ float32: 'float32', float16: 'float16', bfloat16: 'bfloat16' },
  ...{ fp32: 'float32', fp16: 'float16', bf16: 'bfloat16' },
};

/** Types of quantized checkpoints; `q8` is what transformers.js calls one of 8 bits. */
export type QuantizedDtype = 'int8' | 'uint8' | 'q8' | 'int16';
const QUANTIZED_DTYPES: readonly QuantizedDtype[] = ['int8', 'uint8', 'q8', 'int16'];

/**
 * How a model is loaded, and how it computes. Fields of config.json may be given as well, such as `output_stride: 8` or
 * `num_labels: 3`: they replace those of the file.
 */
export interface FromPretrainedOptions extends ModelOptions, HubOptions, MobileNetV2ConfigOptions, UnusedOptions {
  /** Fields that replace those of config.json, too; a `MobileNetV2Config` replaces all of it. */
  config?: MobileNetV2Config | MobileNetV2ConfigOptions | null;
  /** Refuse missing and unexpected tensors. Default true. */
  strict?: boolean;
  /** Weights of another shape than the model's, those of a head for other classes, begin at random. Default false. */
  ignore_mismatched_sizes?: boolean;
  /** Load weights that hold NaN or infinity. Default false. */
  allowNonfinite?: boolean;
  /**
   * `auto`, the default, computes with what the checkpoint holds: float32 for files of every float type, whole numbers for a
   * quantized one, of which a float type makes real numbers again. `int8` (or `q8`) and `int16` want a quantized checkpoint and
   * refuse any other.
   */
  dtype?: Dtype | QuantizedDtype | 'auto' | null;
  /** The old name of `dtype`. */
  torch_dtype?: Dtype | QuantizedDtype | 'auto' | null;
}

/** The names of {@link FromPretrainedOptions}. */
export const FROM_PRETRAINED_OPTIONS: readonly string[] = [
  ...MODEL_OPTIONS,
  ...HUB_OPTIONS,
  ...CONFIG_FIELDS,
  ...['config', 'strict', 'ignore_mismatched_sizes', 'allowNonfinite', 'dtype', 'torch_dtype'],
];

/** How a model is written. */
export interface SavePretrainedOptions {
  /** Element type of the file; models compute in float32 whatever it is. Default `float32`. */
  dtype?: Dtype;
}

export function deviceOf(device: ModelOptions['device']): Device {
  if (device === 'cpu' || device === null || device === undefined) return 'auto';
  if (DEVICES.includes(device)) return device;
  throw new MobileNetError('ARG', `device: expected ${DEVICES.join(', ')} or cpu, got ${show(device)}`);
}

export function checkDtype(name: string, dtype: unknown): void {
  if (isAbsent(dtype) || isFloatDtype(dtype) || isQuantizedDtype(dtype)) return;
  const known = [...Object.keys(DTYPES), ...QUANTIZED_DTYPES].join(', ');
  throw new MobileNetError('ARG', `${name}: expected ${known} or auto, got ${show(dtype)}`);
}

/** Where a file of real numbers is written. */
export function checkFloatDtype(name: string, dtype: unknown): void {
  if (isAbsent(dtype) || isFloatDtype(dtype)) return;
  const remedy = isQuantizedDtype(dtype) ? '; quantize makes whole numbers of a model' : '';
  throw new MobileNetError(
    'ARG',
    `${name}: expected ${Object.keys(DTYPES).join(', ')} or auto, got ${show(dtype)}${remedy}`,
  );
}

const isAbsent = (dtype: unknown) => dtype === undefined || dtype === null || dtype === 'auto';
const isFloatDtype = (dtype: unknown): dtype is Dtype => typeof dtype === 'string' && Object.hasOwn(DTYPES, dtype);
const isQuantizedDtype = (dtype: unknown): dtype is QuantizedDtype =>
  QUANTIZED_DTYPES.includes(dtype as QuantizedDtype);

/**
 * Whether a checkpoint's whole numbers are to become real ones.
 * @param dtype what the caller asked for
 * @param stored the type of the checkpoint's values; undefined for real numbers
 * @throws MobileNetError ARG for a type that the checkpoint does not have
 */
export function wantsRealNumbers(dtype: unknown, stored: RawType | undefined): boolean {
  if (isAbsent(dtype)) return false;
  if (isFloatDtype(dtype)) return stored !== undefined;
  const own = stored === 'uint8' ? 'int8' : stored;
  if (own === (dtype === 'q8' || dtype === 'uint8' ? 'int8' : dtype)) return false;
  const has = stored === undefined ? 'float32' : stored;
  throw new MobileNetError(
    'ARG',
    `dtype: expected what the checkpoint has, ${has}, or a float type, got ${show(dtype)}; convert MODEL OUT --dtype ${dtype === 'int16' ? 'int16' : 'int8'} --calibrate PICTURES makes a quantized one`,
  );
}

export function poolOf(options: ModelOptions): 'global' | '7x7' {
  checkObject(options, 'model', 'an object of options');
  const { pool = 'global' } = options;
  if (pool !== 'global' && pool !== '7x7') {
    throw new MobileNetError('ARG', `pool: expected 'global' or '7x7', got ${show(pool)}`);
  }
  return pool;
}
