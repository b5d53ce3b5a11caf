/**
 * From the tensors of a file to the state of a model: names, shapes and element types are checked all at once, before
 * anything is computed, and every fault is named.
 */
import { listNames, MobileNetError } from '../../base/errors.js';
import { checkFinite } from '../../formats/load.js';
import { withoutPrefix } from '../../formats/prefixes.js';
import { type StoredTensor, toCounter, toFloat32, toWhole } from '../../formats/stored.js';
import { type Graph, type Parameter, parametersOf } from '../../graph/nodes.js';
import { type Dims, elementCount, sameDims } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import type { MobileNetV2Config } from './config.js';
import { isFolded, quantizedParameters } from './quantized.js';
import { normal, type RandomBits, randomBits } from './random.js';

/**
 * A model's weights by the names of PyTorch's state_dict: float32, and the int64 counters of batch norm; of a quantized model
 * whole numbers (quantized.ts).
 */
export type State = Map<string, Tensor<'float32' | 'int64' | WholeType>>;
type WholeType = 'int8' | 'int16' | 'int32';

/** A tensor that may become a weight: known by shape, read only when it is wanted. */
export interface WeightSource {
  dims: Dims;
  dtype: string;
  /** The file it is in, for messages. */
  file?: string | undefined;
  /** To be called before the others, where it is there. */
  unpack?: StoredTensor['unpack'];
  read(): Tensor<'float32'>;
  readCounter(): Tensor<'int64'>;
  /** Of what may be whole numbers. */
  readWhole?(types: readonly WholeType[]): Tensor<WholeType>;
}

/** A tensor of a file; NaN and infinity in it are refused when it is read, unless they are allowed. */
export function weightSource(stored: StoredTensor, allowNonfinite: boolean): WeightSource {
  return {
    dims: stored.dims,
    dtype: stored.dtype,
    file: stored.file,
    unpack: stored.unpack,
    read() {
      const floats = toFloat32(stored);
      if (!allowNonfinite) checkFinite(stored, floats);
      return floats;
    },
    readCounter: () => new Tensor('int64', [toCounter(stored)], []),
    readWhole: (types) => toWhole(stored, types),
  };
}

/** Prefix of the backbone's tensors in the checkpoint of a model with a head. */
export const PREFIX = 'mobilenet_v2.';
const BACKBONE = /^(conv_stem|layer|conv_1x1|pooler)\./;
/** The first convolution, and before it what training puts before every name. */
const FIRST = /^((?:.*?\.)??)(?:mobilenet_v2\.)?conv_stem\.first_conv\.convolution\.weight$/;
/** What stands before a checkpoint's names, by that of its first convolution; undefined for other names. */
export const prefixOf = (name: string): string | undefined => FIRST.exec(name)?.[1];
const HEAD = /^(classifier|segmentation_head)\./;
/** What a segmenter's head does not read. */
const LAST = /^(?:conv_1x1|pooler)\./;
/** What a checkpoint with that head is, and what loads it. */
const HEADS: Record<string, [kind: string, use: string]> = {
  classifier: ['classifies', 'image-classification (MobileNetV2ForImageClassification)'],
  segmentation_head: ['segments', 'image-segmentation (MobileNetV2ForSemanticSegmentation)'],
};
/** Batch norm counts the batches that it was trained with. Nothing reads it; checkpoints may leave it out. */
export const COUNTER = 'num_batches_tracked';
/** Of quantized weights that count from another number than 0. */
const ZERO_POINT = 'weight_zero_point';
/** torch's AveragedModel counts what it is the average of. */
const AVERAGED = 'n_averaged';
/** The scale of a pooling that a model may have been made without. */
const POOLER = /^(?:mobilenet_v2\.)?pooler\./;

/** All names in the order of state_dict, with their shapes; counters have none. */
function expected(graph: Graph): { parameters: Map<string, Parameter>; names: string[]; optional: Set<string> } {
  const parameters = new Map<string, Parameter>();
  const names: string[] = [];
  for (const parameter of isFolded(graph) ? quantizedParameters(graph) : parametersOf(graph.nodes)) {
    parameters.set(parameter.name, parameter);
    names.push(parameter.name);
    if (parameter.role === 'running_var') names.push(parameter.name.replace(/running_var$/, COUNTER));
  }
  // A segmentation checkpoint may leave out conv_1x1, which its head does not read.
  const unread = graph.outputs.has('logits') && !graph.outputs.has('pooler_output');
  const optional = new Set(
    names.filter(
      (name) =>
        name.endsWith(COUNTER) || name.endsWith(ZERO_POINT) || (unread && name.startsWith(`${PREFIX}conv_1x1.`)),
    ),
  );
  return { parameters, names, optional };
}

/**
 * Makes the state of a new model: convolutions and linear layers normal with `initializer_range`, biases zero, batch
 * norms the identity, as transformers' `_init_weights` does.
 */
export function initialState(graph: Graph, config: MobileNetV2Config, seed: number): State {
  const { parameters, names } = expected(graph);
  const random = randomBits(seed);
  return new Map(names.map((name) => [name, initial(parameters.get(name), config, random)]));
}

function initial(parameter: Parameter | undefined, config: MobileNetV2Config, random: RandomBits) {
  if (parameter === undefined) return new Tensor('int64', [0n], []);
  const count = elementCount(parameter.dims);
  let data = new Float32Array(count);
  if (parameter.role === 'weight') data = normal(random, config.initializer_range, count) as Float32Array<ArrayBuffer>;
  else if (parameter.role === 'norm_weight' || parameter.role === 'running_var') data.fill(1);
  return new Tensor('float32', data, parameter.dims);
}

/**
 * Brings a file's names to those of this graph: `mobilenet_v2.` goes where a base model is loaded from a classifier's
 * or segmenter's file (whose head is dropped), and is added for the reverse.
 */
function rename(sources: ReadonlyMap<string, WeightSource>, graphHasHead: boolean) {
  const names = [...sources.keys()];
  const fileHasHead = names.some((name) => name.startsWith(PREFIX));
  if (graphHasHead === fileHasHead) return { renamed: new Map(sources), headless: false };
  const renamed = new Map<string, WeightSource>();
  for (const [name, source] of sources) {
    if (!graphHasHead) {
      if (name.startsWith(PREFIX)) renamed.set(name.slice(PREFIX.length), source);
      else if (!HEAD.test(name)) renamed.set(name, source);
    } else {
      renamed.set(BACKBONE.test(name) ? PREFIX + name : name, source);
    }
  }
  return { renamed, headless: graphHasHead && !names.some((name) => HEAD.test(name)) };
}

export interface LoadedState {
  state: State;
  /** Tensors that the file does not hold, as the head in a base model's file: random, or still those of `present`. */
  newlyInitialized: string[];
  /** Names in the file that this model has no place for (with `strict: false`). */
  unexpected: string[];
  /** What was chosen where the file leaves a choice, in whole sentences. */
  notes: string[];
}

export interface MatchOptions {
  config: MobileNetV2Config;
  /** False: what is missing is taken from `present` or initialised at random, what is not expected is ignored. Shapes must always fit. */
  strict: boolean;
  /** True: what has another shape is initialised at random. */
  ignore_mismatched_sizes?: boolean;
  seed: number;
  /** Named in messages. */
  file?: string | undefined;
  /** The weights that stay where there are no new ones. */
  present?: State | undefined;
}

/**
 * Prefixes that training puts before every name are taken off.
 * @throws MobileNetError SHAPE for one tensor of a wrong shape, WEIGHTS for any other set of faults, also where most of the
 * backbone is missing, whatever `strict` says; `names` of the error holds them all
 */
export function matchWeights(
  wrapped: ReadonlyMap<string, WeightSource>,
  graph: Graph,
  { config, strict: asked, ignore_mismatched_sizes = false, seed, file, present }: MatchOptions,
): LoadedState {
  // Whole numbers at random would mean nothing, whatever their scales.
  const whole = isFolded(graph);
  const strict = asked || whole;
  const { parameters, names, optional } = expected(graph);
  const { named: sources, note } = withoutPrefix(wrapped, prefixOf);
  const { renamed, headless } = rename(sources, graph.outputs.has('logits'));
  // The backbone of a quantized segmenter may end before its last convolution, which has no form at random.
  const isSegmenters = [...sources.keys()].some((name) => name.startsWith('segmentation_head.'));
  if (whole && isSegmenters) for (const name of names) if (LAST.test(name)) optional.add(name);

  const misshapen = [...parameters.values()].filter(({ name, dims }) => {
    const source = renamed.get(name);
    return source !== undefined && !sameDims(source.dims, dims);
  });
  const replaced = new Set(ignore_mismatched_sizes && !whole ? misshapen.splice(0).map(({ name }) => name) : []);
  for (const name of replaced) renamed.delete(name);
  const missing = names.filter((name) => !renamed.has(name) && !optional.has(name));
  const fatal = strict
    ? missing.filter((name) => whole || (!(headless && HEAD.test(name)) && !replaced.has(name)))
    : [];
  const isUnread = (name: string) => name.endsWith(COUNTER) || name === AVERAGED || (whole && POOLER.test(name));
  const unexpected = [...renamed.keys()].filter((name) => !parameters.has(name) && !isUnread(name));
  if (strict) checkHead(names, sources.keys(), file);
  else {
    const found = [...parameters.keys()].filter((name) => renamed.has(name)).length;
    const isOther = present === undefined ? missing.length > parameters.size / 2 : found === 0;
    if (isOther) refuseOther(missing, parameters.size, sources, file);
  }
  refuse({ missing: fatal, extra: strict ? unexpected : [], misshapen, whole }, renamed, file);

  const state: State = new Map();
  const random = randomBits(seed);
  const newlyInitialized: string[] = [];
  for (const name of names) {
    const source = renamed.get(name);
    const parameter = parameters.get(name);
    const before = strict ? undefined : present?.get(name);
    if (source !== undefined) state.set(name, readAs(parameter, source));
    else if (!optional.has(name)) {
      newlyInitialized.push(name);
      state.set(name, before ?? initial(parameter, config, random));
    } else if (before !== undefined) state.set(name, before);
    else if (name.endsWith(COUNTER) && state.has(name.replace(COUNTER, 'running_var'))) {
      state.set(name, initial(undefined, config, random));
    }
  }
  return { state, newlyInitialized, unexpected, notes: note === undefined ? [] : [`${file ?? 'weights'}: ${note}`] };
}

const readAs = (parameter: Parameter | undefined, source: WeightSource) => {
  if (parameter === undefined) return source.readCounter();
  const { name, types } = parameter;
  if (types === undefined) return source.read();
  if (source.readWhole !== undefined) return source.readWhole(types);
  throw new MobileNetError('DTYPE', `${name}: expected ${types.join(' or ')}, got ${source.dtype}`, { tensor: name });
};

/**
 * The same check for weights of which nothing is read: all there, and of the right shapes.
 * @throws MobileNetError SHAPE, WEIGHTS
 */
export function checkWeights(sources: ReadonlyMap<string, WeightSource>, graph: Graph, file: string): void {
  const { parameters, names, optional } = expected(graph);
  const missing = names.filter((name) => !sources.has(name) && !optional.has(name));
  const misshapen = [...parameters.values()].filter(({ name, dims }) => {
    const source = sources.get(name);
    return source !== undefined && !sameDims(source.dims, dims);
  });
  refuse({ missing, extra: [], misshapen, whole: isFolded(graph) }, sources, file);
}

/** Nobody wants a network that is mostly random: the file is another model's, or has other names. */
function refuseOther(
  missing: string[],
  all: number,
  sources: ReadonlyMap<string, WeightSource>,
  file: string | undefined,
): never {
  const names = [...sources.keys()];
  const framework = frameworkOf(names) ?? 'another framework';
  throw new MobileNetError(
    'WEIGHTS',
    `${file ?? 'weights'}: ${missing.length} of ${all} weights are missing (${listNames(missing, 2)}), which strict: false does not allow; got ${listNames(names, 3, 150)}; expected the names of Hugging Face; npx mobilenet-v2 convert reads those of ${framework}`,
    { file, tensor: missing[0], names: missing },
  );
}

/** A classifier where a segmenter is wanted, or the reverse, gets a message of its own in place of two lists of names. */
function checkHead(wanted: Iterable<string>, found: Iterable<string>, file: string | undefined): void {
  const headOf = (names: Iterable<string>) => [...names].map((name) => HEAD.exec(name)?.[1]).find((head) => head);
  const [own, other] = [headOf(wanted), headOf(found)];
  if (own === undefined || other === undefined || own === other) return;
  const [kind, use] = HEADS[other];
  throw new MobileNetError(
    'WEIGHTS',
    `${file ?? 'weights'}: expected a model that ${HEADS[own][0]}, got one that ${kind}; it is for ${use}`,
    { file },
  );
}

const OTHER_SHAPES = 'ignore_mismatched_sizes: true begins those of another shape at random';

/** Whose names they are, where it is a framework that `convert` reads. */
function frameworkOf(names: readonly string[]): string | undefined {
  if (names.some((name) => /(?:^|\.)blocks\.0\.0\.conv_dw\.weight$/.test(name))) return 'timm';
  return names.some((name) => /(?:^|\.)features\.0\.0\.weight$/.test(name)) ? 'torchvision' : undefined;
}

/** What does not fit. `whole`: numbers are whole, and nothing may be left to chance. */
interface Faults {
  missing: string[];
  extra: string[];
  misshapen: Parameter[];
  whole: boolean;
}

function refuse(
  { missing, extra, misshapen, whole }: Faults,
  sources: ReadonlyMap<string, WeightSource>,
  file: string | undefined,
): void {
  const faults = missing.length + extra.length + misshapen.length;
  if (faults === 0) return;
  const describe = ({ name, dims }: Parameter): string => {
    const source = sources.get(name)!;
    const where = source.file ?? file;
    return `${name}: expected [${dims.join(',')}], got [${source.dims.join(',')}] ${source.dtype}${where ? ` in ${where}` : ''}`;
  };
  const names = [...misshapen.map(({ name }) => name), ...missing, ...extra];
  if (misshapen.length === 1 && faults === 1) {
    throw new MobileNetError(
      'SHAPE',
      `${describe(misshapen[0])}; do config and weights belong together?${whole ? '' : ` ${OTHER_SHAPES}`}`,
      {
        file: sources.get(names[0])!.file ?? file,
        tensor: names[0],
        names,
      },
    );
  }
  const parts: string[] = [];
  if (misshapen.length > 0)
    parts.push(`${misshapen.length} of a wrong shape (${listNames(misshapen.map(describe), 20, 150)})`);
  if (missing.length > 0) parts.push(`${missing.length} missing (${listNames(missing, 20, 130)})`);
  if (extra.length > 0) parts.push(`${extra.length} not expected (${listNames(extra, 20, 80)})`);
  const framework = frameworkOf(extra);
  const remedies = missing.length + extra.length > 0 ? ['strict: false allows missing and unexpected ones'] : [];
  if (misshapen.length > 0) remedies.push(OTHER_SHAPES);
  if (whole) remedies.splice(0, Infinity, 'a quantized model needs all of them and no others');
  const remedy =
    framework === undefined
      ? `is it this model's file? ${remedies.join(', ')}`
      : `these are ${framework}'s names; npx mobilenet-v2 convert MODEL NEW_FOLDER makes a model of it`;
  throw new MobileNetError('WEIGHTS', `${file ?? 'weights'}: ${parts.join('; ')}; ${remedy}`, {
    file,
    tensor: names[0],
    names,
  });
}
