/**
 * The formula that gives the model goldens their weights, inputs and labels, so that they need not be stored:
 * `test/goldens/models/README.md` has it in words, `make.py` beside it in Python. Bit-equal on both sides.
 */

export type FormulaKind = 'value' | 'weight' | 'gamma' | 'mean' | 'variance';

/** How cases.json describes labels. `dims` as in PyTorch: [N], [N,K] or [N,H,W]. */
export interface FormulaLabels {
  kind: 'value' | 'binary' | 'classes' | 'segments';
  dims: readonly number[];
  classes?: number;
  ignore?: number;
}

/** FNV-1a of the name, whose characters are ASCII. */
function seedOf(name: string): number {
  let seed = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) seed = Math.imul(seed ^ name.charCodeAt(i), 0x01000193);
  return seed;
}

/** 32 well-mixed bits for index i: golden-ratio steps through the "lowbias32" mixer. */
function hash(seed: number, i: number): number {
  let x = (seed + Math.imul(i, 0x9e3779b9)) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** The smallest power of two whose square times fanIn is at least 2; 1 where fanIn is below 2. */
function scaleOf(fanIn: number): number {
  let scale = 1;
  while ((scale / 2) ** 2 * fanIn >= 2) scale /= 2;
  return scale;
}

function kindOf(name: string): FormulaKind {
  if (name.endsWith('normalization.weight')) return 'gamma';
  if (name.endsWith('.running_mean')) return 'mean';
  if (name.endsWith('.running_var')) return 'variance';
  if (name.endsWith('.weight')) return 'weight';
  return 'value';
}

const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** The tensor of that name and shape, row-major; the kind follows from the name. Every value is exact in float32. */
export function formulaTensor(
  name: string,
  dims: readonly number[],
  kind: FormulaKind = kindOf(name),
): Float32Array<ArrayBuffer> {
  const seed = seedOf(name);
  // value = offset + v · factor, with v from -1 to 1
  const [offset, factor] = {
    value: [0, 1],
    weight: [0, scaleOf(product(dims.slice(1)))],
    gamma: [1.25, 0.25],
    mean: [0, 0.25],
    variance: [1, 0.5],
  }[kind] as [number, number];
  const out = new Float32Array(product(dims));
  for (let i = 0; i < out.length; i++) out[i] = offset + ((hash(seed, i) >>> 16) / 32768 - 1) * factor;
  return out;
}

/** All float tensors of a state dict by name. Left out are the `num_batches_tracked`, integers that stay 0. */
export function formulaState(
  dims: Iterable<readonly [string, readonly number[]]>,
): Map<string, Float32Array<ArrayBuffer>> {
  const state = new Map<string, Float32Array<ArrayBuffer>>();
  for (const [name, shape] of dims) {
    if (!name.endsWith('.num_batches_tracked')) state.set(name, formulaTensor(name, shape));
  }
  return state;
}

/** Labels as cases.json describes them: targets of a regression or of several labels are floats, classes are int64. */
export function formulaLabels(
  labels: FormulaLabels,
  name = 'labels',
): { data: Float32Array | BigInt64Array; dims: readonly number[] } {
  const { kind, dims, classes = 0, ignore = 255 } = labels;
  if (kind === 'value') return { data: formulaTensor(name, dims, 'value'), dims };
  const seed = seedOf(name);
  const hashes = Array.from({ length: product(dims) }, (_, i) => hash(seed, i));
  if (kind === 'binary') return { data: Float32Array.from(hashes, (h) => h >>> 31), dims };
  if (kind === 'classes') return { data: BigInt64Array.from(hashes, (h) => BigInt((h >>> 16) % classes)), dims };
  const segment = (h: number): bigint => {
    const c = (h >>> 16) % (classes + 1);
    return BigInt(c === classes ? ignore : c);
  };
  return { data: BigInt64Array.from(hashes, segment), dims };
}

/** A mask of dropout: 0, or 1/keep where a number is kept. */
export function formulaMask(name: string, dims: readonly number[], keep: number): Float32Array<ArrayBuffer> {
  const seed = seedOf(name);
  const out = new Float32Array(product(dims));
  for (let i = 0; i < out.length; i++) out[i] = hash(seed, i) >>> 16 < Math.round(keep * 65536) ? 1 / keep : 0;
  return out;
}
