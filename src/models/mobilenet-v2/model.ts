/**
 * The three models of Hugging Face's MobileNetV2. Each is a graph, a state of weights and the tasks's own outputs; what
 * they share is in `MobileNetV2PreTrainedModel`.
 */
import { checkSignal, unlessAborted } from '../../base/abort.js';
import { isMap, isShared } from '../../base/brands.js';
import { Callable } from '../../base/callable.js';
import { requirePlatform, warn } from '../../base/env.js';
import { listNames, MobileNetError, show } from '../../base/errors.js';
import { type Folder, openFolder, SHIPPED } from '../../base/folder.js';
import { HUB_OPTIONS, type HubOptions } from '../../base/hub-options.js';
import { checkOptions, pick, type UnusedOptions } from '../../base/options.js';
import { loadWeights } from '../../formats/load.js';
import type { Graph } from '../../graph/nodes.js';
import { activationFunction } from '../../layers/activation/plain.js';
import type { InputDims, Plan } from '../../runtime/compile/plan.js';
import { describeLayers, type Layer } from '../../runtime/describe-layers.js';
import type { MemoryMode } from '../../runtime/engines/engine.js';
import { DEVICES, type Device, type EngineOptions, makeEngine, prepareEngine } from '../../runtime/engines/make.js';
import { Network } from '../../runtime/network.js';
import type { Profile } from '../../runtime/profile.js';
import { firstNonFinite } from '../../tensor/finite.js';
import { Tensor } from '../../tensor/tensor.js';
import { baseGraph, classificationGraph, segmentationGraph } from './architecture.js';
import { type CheckpointDtype, checkpointFiles } from './checkpoint.js';
import { CONFIG_FIELDS, MobileNetV2Config, type MobileNetV2ConfigOptions } from './config.js';
import { classificationLoss, segmentationLoss } from './loss.js';
import {
  initialState,
  type MatchOptions,
  matchWeights,
  type State,
  type WeightSource,
  weightSource,
} from './weights.js';

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
  wasm_module?: WebAssembly.Module;
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

const MODEL_OPTIONS: readonly string[] = [
  'device',
  'threads',
  'memory',
  'wasm_module',
  'seed',
  'add_pooling_layer',
  'pool',
] satisfies (keyof ModelOptions)[];

/** Element types by the names of transformers (`float16`) and transformers.js (`fp16`). */
export type Dtype = 'float32' | 'fp32' | 'float16' | 'fp16' | 'bfloat16' | 'bf16';
const DTYPES: Record<Dtype, CheckpointDtype> = {
  ...{ float32: 'float32', float16: 'float16', bfloat16: 'bfloat16' },
  ...{ fp32: 'float32', fp16: 'float16', bf16: 'bfloat16' },
};

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
  allow_nonfinite?: boolean;
  /**
   * Taken for the sake of code that says it, and without effect: files of every float type load, and the network computes in
   * float32, which is no less exact than what was asked for. Integer types (`q8`, `int8`) are refused.
   */
  dtype?: Dtype | 'auto' | null;
  /** The old name of `dtype`. */
  torch_dtype?: Dtype | 'auto' | null;
}

/** The names of {@link FromPretrainedOptions}. */
export const FROM_PRETRAINED_OPTIONS: readonly string[] = [
  ...MODEL_OPTIONS,
  ...HUB_OPTIONS,
  ...CONFIG_FIELDS,
  ...['config', 'strict', 'ignore_mismatched_sizes', 'allow_nonfinite', 'dtype', 'torch_dtype'],
];

/** How a model is written. */
export interface SavePretrainedOptions {
  /** Element type of the file; models compute in float32 whatever it is. Default `float32`. */
  dtype?: Dtype;
}

/** What a model is called with. */
export interface ModelInputs {
  /** [N,C,H,W] float32. */
  pixel_values: Tensor;
  /** Targets; the output then has a `loss`. */
  labels?: Tensor;
  /** All 16, or those whose indices are listed, in that order. What is not asked for is not computed. */
  output_hidden_states?: boolean | readonly number[];
  /**
   * Ends the call: the promise is rejected with the signal's reason, an AbortError unless it has another. A call with a
   * signal lets events in every 25 ms, between two kernels; the model can be used on.
   */
  signal?: AbortSignal | undefined;
}

const INPUT_NAMES = ['pixel_values', 'labels', 'output_hidden_states', 'signal'];
/** What an image processor gives besides, so that its output can be handed in as it is. */
const PROCESSOR_NAMES = ['original_sizes', 'reshaped_input_sizes'];

/** What goes along with `pixel_values` where they come first. */
export type ForwardOptions = Omit<ModelInputs, 'pixel_values'>;

/** What is timed. */
export interface ProfileOptions {
  /** Runs that are timed, 1 to 100000. Default 20. */
  runs?: number;
}

/** Hidden states are the outputs of `layer.0` to `layer.15`, [N,C,H,W] each. */
const HIDDEN_STATES = 16;
/** Of a profile, which keeps the time of every step of each. */
const MOST_RUNS = 100_000;

/** `model(inputs)` is `model.forward(inputs)`; the pixels may also come first: `model(pixel_values, { labels })`. */
export interface MobileNetV2PreTrainedModel<Output> {
  (inputs: ModelInputs | Tensor, options?: ForwardOptions): Promise<Output>;
}

/** What the three models share: loading, saving, weights, plans. A model is called like a function. */
export abstract class MobileNetV2PreTrainedModel<Output> extends Callable<
  [inputs: ModelInputs | Tensor, options?: ForwardOptions],
  Promise<Output>
> {
  /** The configuration that its graph was built from. */
  readonly config: MobileNetV2Config;
  /** The folder of weights/ that `from_pretrained` takes where no model is named. @internal */
  static readonly shipped: string = SHIPPED.classification;
  /** The engine that was asked for; a plan says which it became. */
  readonly device: Device;
  /** Tensors that the checkpoint did not hold; they are random, or what they were before `load_state_dict`. */
  readonly newly_initialized: readonly string[] = [];
  readonly #graph: Graph;
  readonly #memory: MemoryMode;
  readonly #engineOptions: EngineOptions;
  /** Undefined once disposed. */
  #state: State | undefined;
  #network: Network | undefined;

  protected constructor(graph: Graph, config: MobileNetV2Config, options: ModelOptions & { state?: State }) {
    super();
    if (!(config instanceof MobileNetV2Config)) {
      throw new MobileNetError('ARG', `config: expected a MobileNetV2Config, got ${show(config)}`);
    }
    checkOptions(options, [...MODEL_OPTIONS, 'state'], 'model');
    const { seed = 0, state, threads, wasm_module, memory = 'fast' } = options;
    if (memory !== 'fast' && memory !== 'low') {
      throw new MobileNetError('ARG', `memory: expected 'fast' or 'low', got ${show(memory)}`);
    }
    const device = deviceOf(options.device);
    if (!Number.isInteger(seed)) throw new MobileNetError('ARG', `seed: expected a whole number, got ${show(seed)}`);
    activationFunction(config.hidden_act); // throws for a name that is none
    this.config = config;
    this.device = device;
    this.#graph = graph;
    this.#memory = memory;
    this.#engineOptions = { threads, wasm_module };
    this.#use(state ?? initialState(graph, config, seed));
  }

  /**
   * Loads a model: config.json, and weights from model.safetensors, its shards, or pytorch_model.bin.
   * @param where a folder's path, `org/name` on the hub or an opened Folder; the checkpoint that ships for the task when left out
   * @throws MobileNetError NOT_FOUND, AUTH, OFFLINE, IO, HASH, CONFIG, WEIGHTS, SHAPE, DTYPE, NONFINITE and the codes of
   *   damaged files; the signal's reason, at once
   */
  static async from_pretrained<M extends MobileNetV2PreTrainedModel<unknown>>(
    this: { readonly shipped: string } & (new (
      config: MobileNetV2Config,
      options: ModelOptions & { state?: State },
    ) => M),
    where?: string | Folder | null,
    options: FromPretrainedOptions = {},
  ): Promise<M> {
    checkOptions(options, FROM_PRETRAINED_OPTIONS, 'from_pretrained');
    const { strict = true, allow_nonfinite = false, ignore_mismatched_sizes = false, signal } = options;
    checkDtype('dtype', options.dtype);
    checkDtype('torch_dtype', options.torch_dtype);
    checkSignal(signal);
    signal?.throwIfAborted();
    // biome-ignore lint/complexity/noThisInStatic: the class that was called, such as the segmenter
    const folder = await unlessAborted(openFolder(where, options, this.shipped), signal);
    // All at once: kernels are compiled and weights are read while the configuration is looked at.
    const modelOptions: ModelOptions = pick(options, MODEL_OPTIONS);
    const kernels = prepareEngine(deviceOf(options.device), modelOptions);
    const weights = loadWeights(folder, signal);
    weights.catch(() => {}); // awaited below, unless the configuration is at fault
    const config = await unlessAborted(configOf(folder, options), signal);
    const stored = await unlessAborted(weights, signal);
    await unlessAborted(kernels, signal);
    const sources = new Map<string, WeightSource>();
    for (const [name, tensor] of stored.tensors) sources.set(name, weightSource(tensor, allow_nonfinite));
    // An empty state spares the random numbers that the file would replace at once.
    const model: MobileNetV2PreTrainedModel<unknown> = new this(config, { ...modelOptions, state: new Map() });
    const how = { strict, ignore_mismatched_sizes, seed: modelOptions.seed ?? 0, file: stored.file };
    model.#load(sources, how, stored.notes);
    return model as M;
  }

  /** A model with random weights: `new Model(config, options)` under the name that transformers has for it. */
  static from_config<M extends MobileNetV2PreTrainedModel<unknown>>(
    this: new (
      config: MobileNetV2Config,
      options: ModelOptions,
    ) => M,
    config: MobileNetV2Config,
    options: ModelOptions = {},
  ): M {
    return new this(config, options);
  }

  /** Computes what the task gives, and `loss` where there are labels. The tensors returned are the caller's own. */
  abstract override forward(inputs: ModelInputs | Tensor, options?: ForwardOptions): Promise<Output>;

  /**
   * How many numbers are trained: weights and biases, not the statistics of batch norm.
   * @param options `only_trainable` makes no difference here, where nothing is frozen
   */
  num_parameters(options: { only_trainable?: boolean } = {}): number {
    checkOptions(options, ['only_trainable'], 'num_parameters');
    const statistics = /\.(running_mean|running_var|num_batches_tracked)$/;
    const parameters = [...this.#alive()].filter(([name]) => !statistics.test(name));
    return parameters.reduce((sum, [, { size }]) => sum + size, 0);
  }

  /** The weights by PyTorch's names; shares memory with the model. */
  state_dict(): State {
    return new Map(this.#alive());
  }

  /**
   * Replaces the weights.
   * @param weights tensors by PyTorch's names, with or without `mobilenet_v2.`
   * @param options `strict: false` ignores unexpected tensors, and leaves weights as they are for which there is none
   */
  load_state_dict(
    weights: ReadonlyMap<string, Tensor> | Record<string, Tensor>,
    options: { strict?: boolean } = {},
  ): void {
    checkOptions(options, ['strict'], 'load_state_dict');
    const { strict = true } = options;
    this.#alive();
    const sources = new Map<string, WeightSource>();
    for (const [name, tensor] of isMap(weights) ? weights : Object.entries(weights)) {
      if (!(tensor instanceof Tensor)) {
        throw new MobileNetError('ARG', `${name}: expected a Tensor, got ${show(tensor)}`, { tensor: name });
      }
      sources.set(name, {
        dims: tensor.dims,
        dtype: tensor.type,
        read: () => tensor.to('float32'),
        readCounter: () => tensor.to('int64'),
      });
    }
    this.#load(sources, { strict, seed: 0, present: this.#alive() });
  }

  /** Writes config.json and model.safetensors, which Python's transformers reads. */
  async save_pretrained(dir: string, options: SavePretrainedOptions = {}): Promise<void> {
    checkOptions(options, ['dtype'], 'save_pretrained');
    checkDtype('dtype', options.dtype);
    const dtype = DTYPES[options.dtype ?? 'float32'];
    const state = this.#alive();
    const write = requirePlatform('writeFolder', 'save_pretrained');
    await write(dir, checkpointFiles(this.config, state, { architecture: this.architecture, dtype }));
  }

  /** Plans and runs once on zeros, so that the first real call is as fast as the others. */
  async warmup(dims: InputDims): Promise<void> {
    const pixel_values = new Tensor('float32', new Float32Array(dims.reduce((a, b) => a * b, 1)), dims);
    await this.forward({ pixel_values });
  }

  /**
   * Hidden states and nothing else: what lies behind the last of them is not computed.
   * @param which indices 0 to 15, or true for all
   * @returns [N,C,H,W] each, in the order of `which`
   */
  async hidden_states(
    pixel_values: Tensor,
    which: true | readonly number[],
    options: Pick<ModelInputs, 'signal'> = {},
  ): Promise<Tensor<'float32'>[]> {
    const names = someHiddenNames(which);
    const results = await this.activations(pixel_values, names, options);
    return names.map((name) => results.get(name)!);
  }

  /**
   * What any layers made of the pictures: `layer.3.conv_3x3`, `conv_1x1`, `classifier`, whatever `graph.nodes` lists,
   * behind batch norm and activation. Only what they need is computed; where a layer is asked for, nothing is fused
   * across it.
   * @param names of nodes, or of outputs such as `hidden_states.3`
   * @returns by name, in the order of `names`: [N,C,h,w] each, [N,C] behind global pooling
   * @throws MobileNetError ARG for a name that is none
   */
  async activations(
    pixel_values: Tensor,
    names: readonly string[],
    options: Pick<ModelInputs, 'signal'> = {},
  ): Promise<Map<string, Tensor<'float32'>>> {
    checkOptions(options, ['signal'], 'activations');
    const { signal } = options;
    checkSignal(signal);
    const network = this.#running();
    const wanted = [...new Set(checkNames(names, this.#graph))];
    const pixels = checkPixels(pixel_values, this.config);
    const results = await network.run(pixels.data, pixels.dims, wanted, signal);
    return new Map(wanted.map((name) => [name, results.get(name)!]));
  }

  /** The layers in order for an input [N,C,H,W]: what each makes, costs, and sees of the picture. Computes nothing. */
  layers(dims: InputDims): Layer[] {
    return describeLayers(this.#graph, checkDims(dims, this.config), this.taskOutputs());
  }

  /** The plan for an input [N,C,H,W]: steps, kernels, arena. With `hidden_states_only`, that of `hidden_states`. */
  plan(dims: InputDims, output_hidden_states: boolean | readonly number[] = false, hidden_states_only = false): Plan {
    const [batch, channels, height, width] = checkDims(dims, this.config);
    const outputs = hidden_states_only ? someHiddenNames(output_hidden_states) : this.#outputs(output_hidden_states);
    return this.#running().plan([batch, channels, height, width], [...new Set(outputs)]);
  }

  /**
   * Runs the network again and again on these inputs, and times each step: where the time goes, and how near the limit of
   * the machine each kernel is. A clock that a page has made coarse makes it coarse, too.
   */
  async profile(inputs: ModelInputs | Tensor, options: ProfileOptions = {}): Promise<Profile> {
    const { pixel_values, output_hidden_states, signal } = inputsOf(inputs);
    checkOptions(options, ['runs'], 'profile');
    const { runs = 20 } = options;
    signal?.throwIfAborted();
    if (!Number.isInteger(runs) || runs < 1 || runs > MOST_RUNS) {
      throw new MobileNetError('ARG', `runs: expected a whole number from 1 to ${MOST_RUNS}, got ${show(runs)}`);
    }
    const network = this.#running();
    const outputs = this.#outputs(output_hidden_states ?? this.config.output_hidden_states);
    const { data: pixels, dims } = checkPixels(pixel_values, this.config);
    return network.profile(dims, outputs, { pixels, runs, signal });
  }

  /** The layers, as they stand in the checkpoint. */
  get graph(): Graph {
    return this.#graph;
  }

  /** Gives weights and plans back. Every later call but this one throws DISPOSED. */
  dispose(): void {
    this.#network?.engine.dispose();
    this.#state = undefined;
    this.#network = undefined;
  }

  /** `using model = …` disposes of it at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** The class's name in config.json. (`constructor.name` would not survive a minifier.) */
  protected abstract get architecture(): string;

  /** Public names of the outputs that every call computes. */
  protected abstract taskOutputs(): string[];

  /** Runs the network; hidden states come as a list, in the order they were asked for. */
  protected async compute(inputs: ModelInputs): Promise<{
    results: Map<string, Tensor<'float32'>>;
    hidden_states: Tensor<'float32'>[] | undefined;
  }> {
    const { pixel_values, output_hidden_states, signal } = inputs;
    signal?.throwIfAborted();
    const network = this.#running();
    const asked = output_hidden_states ?? this.config.output_hidden_states;
    const pixels = checkPixels(pixel_values, this.config);
    const results = await network.run(pixels.data, pixels.dims, this.#outputs(asked), signal);
    const hidden_states = hiddenNames(asked)?.map((name) => results.get(name)!);
    return { results, hidden_states };
  }

  #outputs(output_hidden_states: boolean | readonly number[]): string[] {
    return [...new Set([...this.taskOutputs(), ...(hiddenNames(output_hidden_states) ?? [])])];
  }

  #load(
    sources: ReadonlyMap<string, WeightSource>,
    how: Omit<MatchOptions, 'config'>,
    more: readonly string[] = [],
  ): void {
    const { state, newly_initialized, notes } = matchWeights(sources, this.#graph, { config: this.config, ...how });
    (this as { newly_initialized: readonly string[] }).newly_initialized = newly_initialized;
    for (const note of [...more, ...notes]) warn(note);
    if (how.present === undefined && newly_initialized.length > 0) {
      const names = listNames(newly_initialized, 10);
      warn(`${how.file}: no weights in the file for these, which are random now; train before use: ${names}`);
    }
    this.#use(state);
  }

  #use(state: State): void {
    this.#network?.engine.dispose();
    this.#state = state;
    this.#network = new Network(
      this.#graph,
      (name) => state.get(name)!.data as Float32Array,
      makeEngine(this.device, this.#engineOptions),
      this.#memory,
    );
  }

  #alive(): State {
    if (this.#state === undefined) throw disposed();
    return this.#state;
  }

  #running(): Network {
    if (this.#network === undefined) throw disposed();
    return this.#network;
  }
}

const disposed = () => new MobileNetError('DISPOSED', 'the model was disposed; load it again');

function hiddenNames(asked: boolean | readonly number[]): string[] | undefined {
  if (asked === false) return undefined;
  const indices = asked === true ? Array.from({ length: HIDDEN_STATES }, (_, index) => index) : asked;
  if (!Array.isArray(indices)) {
    throw new MobileNetError(
      'ARG',
      `output_hidden_states: expected true, false or a list of indices, got ${show(asked)}`,
    );
  }
  return indices.map((index: number) => {
    if (!Number.isInteger(index) || index < 0 || index >= HIDDEN_STATES) {
      throw new MobileNetError(
        'ARG',
        `output_hidden_states: expected indices 0 to ${HIDDEN_STATES - 1}, got ${show(index)}`,
      );
    }
    return `hidden_states.${index}`;
  });
}

function someHiddenNames(which: boolean | readonly number[]): string[] {
  const names = hiddenNames(which) ?? [];
  if (names.length > 0) return names;
  throw new MobileNetError('ARG', `hidden_states: expected true or a list of at least one index, got ${show(which)}`);
}

/** What a call was given, in whichever of its two forms. */
function inputsOf(inputs: ModelInputs | Tensor, options?: ForwardOptions): ModelInputs {
  checkOptions(options, INPUT_NAMES.slice(1), 'model');
  const all = inputs instanceof Tensor ? { ...options, pixel_values: inputs } : { ...inputs, ...options };
  if (!(inputs instanceof Tensor)) checkOptions(inputs, [...INPUT_NAMES, ...PROCESSOR_NAMES], 'model');
  checkSignal(all.signal);
  return all as ModelInputs;
}

function deviceOf(device: ModelOptions['device']): Device {
  if (device === 'cpu' || device === null || device === undefined) return 'auto';
  if (DEVICES.includes(device)) return device;
  throw new MobileNetError('ARG', `device: expected ${DEVICES.join(', ')} or cpu, got ${show(device)}`);
}

function checkDtype(name: string, dtype: unknown): void {
  if (dtype === undefined || dtype === null || dtype === 'auto' || Object.hasOwn(DTYPES, dtype as string)) return;
  throw new MobileNetError(
    'ARG',
    `${name}: expected ${Object.keys(DTYPES).join(', ')} or auto, got ${show(dtype)}; there are no quantized weights here`,
  );
}

/** config.json of a folder, with what the caller says over it. */
async function configOf(folder: Folder, options: FromPretrainedOptions): Promise<MobileNetV2Config> {
  const { config } = options;
  const fields = pick(options, CONFIG_FIELDS);
  if (config instanceof MobileNetV2Config) return MobileNetV2Config.from_dict(config.to_dict(), fields);
  return MobileNetV2Config.from_pretrained(folder, { ...config, ...fields });
}

function checkNames(names: unknown, graph: Graph): readonly string[] {
  if (!Array.isArray(names) || names.length === 0) {
    throw new MobileNetError('ARG', `activations: expected a list of at least one layer's name, got ${show(names)}`);
  }
  const known = new Set([...graph.nodes.map((node) => node.name), ...graph.outputs.keys()]);
  const unknown = names.find((name) => !known.has(name));
  if (unknown === undefined) return names;
  throw new MobileNetError(
    'ARG',
    `activations: there is no layer ${show(unknown)}; there are ${listNames([...known], 20, 200)}`,
  );
}

function checkDims(dims: readonly number[], config: MobileNetV2Config): InputDims {
  const whole =
    Array.isArray(dims) && dims.length === 4 && dims.every((size) => Number.isSafeInteger(size) && size > 0);
  if (!whole || dims[1] !== config.num_channels) {
    throw new MobileNetError(
      'ARG',
      `pixel_values: expected [N,${config.num_channels},H,W], none of them 0, got ${show(dims)}`,
    );
  }
  return dims as unknown as InputDims;
}

/**
 * Infinity is refused, and NaN with it: a clamp turns infinity into 6, and the network would give a confident label
 * for a broken picture.
 */
function checkPixels(pixels: unknown, config: MobileNetV2Config): { data: Float32Array; dims: InputDims } {
  if (!(pixels instanceof Tensor) || pixels.type !== 'float32') {
    const got = pixels instanceof Tensor ? `a ${pixels.type} Tensor` : show(pixels);
    throw new MobileNetError(
      'ARG',
      `pixel_values: expected a float32 Tensor, got ${got}; an image processor makes one`,
    );
  }
  const dims = checkDims(pixels.dims, config);
  const data = pixels.data as Float32Array;
  if (isShared(data.buffer)) {
    throw new MobileNetError('ARG', 'pixel_values: in shared memory, where another thread may change it; pass a copy');
  }
  const size = dims.reduce((product, d) => product * d, 1);
  if (data.length !== size) {
    throw new MobileNetError(
      'ARG',
      `pixel_values: ${data.length} values for [${dims.join(',')}]; was the buffer transferred?`,
    );
  }
  const at = firstNonFinite(data);
  if (at >= 0) throw new MobileNetError('ARG', `pixel_values: element ${at} is ${data[at]}; expected finite numbers`);
  return { data, dims };
}

/** What `MobileNetV2Model` gives. */
export interface BaseModelOutput {
  /** [N,C,h,w], the output of `conv_1x1`. */
  last_hidden_state: Tensor<'float32'>;
  /** [N,C]; with `pool: '7x7'` [N,C,rows,columns]; absent without a pooling layer. */
  pooler_output?: Tensor<'float32'>;
  hidden_states?: Tensor<'float32'>[];
}

/** The network without a head. */
export class MobileNetV2Model extends MobileNetV2PreTrainedModel<BaseModelOutput> {
  constructor(config: MobileNetV2Config, options: ModelOptions & { state?: State } = {}) {
    super(baseGraph(config, options.add_pooling_layer === false ? null : poolOf(options)), config, options);
  }

  protected override get architecture(): string {
    return 'MobileNetV2Model';
  }

  protected override taskOutputs(): string[] {
    return this.graph.outputs.has('pooler_output') ? ['last_hidden_state', 'pooler_output'] : ['last_hidden_state'];
  }

  override async forward(given: ModelInputs | Tensor, options?: ForwardOptions): Promise<BaseModelOutput> {
    const inputs = inputsOf(given, options);
    const { results, hidden_states } = await this.compute(inputs);
    const pooler_output = results.get('pooler_output');
    return {
      last_hidden_state: results.get('last_hidden_state')!,
      ...(pooler_output && { pooler_output }),
      ...(hidden_states && { hidden_states }),
    };
  }
}

/** What `MobileNetV2ForImageClassification` gives. */
export interface ImageClassifierOutput {
  /** [N,K] before softmax; with `pool: '7x7'` [N,K,rows,columns]. */
  logits: Tensor<'float32'>;
  loss?: number;
  hidden_states?: Tensor<'float32'>[];
}

/** The network with a linear classifier on the pooled features. */
export class MobileNetV2ForImageClassification extends MobileNetV2PreTrainedModel<ImageClassifierOutput> {
  constructor(config: MobileNetV2Config, options: ModelOptions & { state?: State } = {}) {
    super(classificationGraph(config, poolOf(options)), config, options);
  }

  protected override get architecture(): string {
    return 'MobileNetV2ForImageClassification';
  }

  protected override taskOutputs(): string[] {
    return ['logits'];
  }

  override async forward(given: ModelInputs | Tensor, options?: ForwardOptions): Promise<ImageClassifierOutput> {
    const inputs = inputsOf(given, options);
    const { results, hidden_states } = await this.compute(inputs);
    const logits = results.get('logits')!;
    const output: ImageClassifierOutput = { logits, ...(hidden_states && { hidden_states }) };
    if (inputs.labels !== undefined) {
      if (logits.dims.length !== 2) throw new MobileNetError('ARG', "labels: there is no loss with pool: '7x7'");
      output.loss = classificationLoss(logits, checkLabels(inputs.labels), this.config);
    }
    return output;
  }
}

/** What `MobileNetV2ForSemanticSegmentation` gives. */
export interface SemanticSegmenterOutput {
  /** [N,K,h,w] before softmax, at the size of the features: 1/output_stride of the input. */
  logits: Tensor<'float32'>;
  loss?: number;
  hidden_states?: Tensor<'float32'>[];
}

/** The network with the head of DeepLabV3+. */
export class MobileNetV2ForSemanticSegmentation extends MobileNetV2PreTrainedModel<SemanticSegmenterOutput> {
  /** @internal */
  static override readonly shipped: string = SHIPPED.segmentation;

  constructor(config: MobileNetV2Config, options: ModelOptions & { state?: State } = {}) {
    if (config.num_labels < 1) {
      throw new MobileNetError('CONFIG', 'num_labels: segmentation needs at least one class, got 0');
    }
    super(segmentationGraph(config), config, options);
  }

  protected override get architecture(): string {
    return 'MobileNetV2ForSemanticSegmentation';
  }

  protected override taskOutputs(): string[] {
    return ['logits'];
  }

  override async forward(given: ModelInputs | Tensor, options?: ForwardOptions): Promise<SemanticSegmenterOutput> {
    const inputs = inputsOf(given, options);
    if (inputs.labels !== undefined && this.config.num_labels === 1) {
      throw new MobileNetError('ARG', 'labels: a segmentation loss needs more than one class');
    }
    const { results, hidden_states } = await this.compute(inputs);
    const logits = results.get('logits')!;
    const output: SemanticSegmenterOutput = { logits, ...(hidden_states && { hidden_states }) };
    if (inputs.labels !== undefined) {
      output.loss = segmentationLoss(logits, checkLabels(inputs.labels), this.config);
    }
    return output;
  }
}

function poolOf({ pool = 'global' }: ModelOptions): 'global' | '7x7' {
  if (pool !== 'global' && pool !== '7x7') {
    throw new MobileNetError('ARG', `pool: expected 'global' or '7x7', got ${show(pool)}`);
  }
  return pool;
}

function checkLabels(labels: unknown): Tensor {
  if (!(labels instanceof Tensor)) throw new MobileNetError('ARG', `labels: expected a Tensor, got ${show(labels)}`);
  return labels;
}
