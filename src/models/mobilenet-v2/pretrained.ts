/** What the models of Hugging Face's MobileNetV2 share, whatever their task: loading, saving, weights, plans. */
import { checkSignal, unlessAborted } from '../../base/abort.js';
import { isMap } from '../../base/brands.js';
import { Callable } from '../../base/callable.js';
import { checkObject, checkText } from '../../base/check.js';
import { requirePlatform, warn } from '../../base/env.js';
import { expected, listNames, MobileNetError, show } from '../../base/errors.js';
import { type Folder, openFolder, SHIPPED } from '../../base/folder.js';
import { checkOptions, pick } from '../../base/options.js';
import { loadWeights } from '../../formats/load.js';
import { type Graph, prune } from '../../graph/nodes.js';
import type { RawType } from '../../graph/quantization.js';
import { activationFunction } from '../../layers/activation/plain.js';
import type { InputDims, Plan } from '../../runtime/compile/plan.js';
import { describeLayers, type Layer } from '../../runtime/describe-layers.js';
import type { MemoryMode } from '../../runtime/engines/engine.js';
import { type Device, type EngineOptions, makeEngine, prepareEngine } from '../../runtime/engines/make.js';
import { Network } from '../../runtime/network.js';
import type { Profile } from '../../runtime/profile.js';
import type { TensorType } from '../../tensor/elements.js';
import { elementCount } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import { checkpointFiles } from './checkpoint.js';
import { CONFIG_FIELDS, MobileNetV2Config } from './config.js';
import type { GradientOptions, Gradients } from './gradients.js';
import {
  checkDims,
  checkNames,
  type ForwardOptions,
  hiddenNames,
  inputsOf,
  type ModelInputs,
  ownPixels,
  someHiddenNames,
} from './inputs.js';
import { loadGradients } from './load-gradients.js';
import {
  checkDtype,
  checkFloatDtype,
  DTYPES,
  deviceOf,
  FROM_PRETRAINED_OPTIONS,
  type FromPretrainedOptions,
  MODEL_OPTIONS,
  type ModelOptions,
  type SavePretrainedOptions,
  wantsRealNumbers,
} from './model-options.js';
import {
  dequantizedState,
  elementsOf,
  foldedGraph,
  quantizedType,
  scaledGraph,
  withoutQuantization,
} from './quantized.js';
import {
  initialState,
  type MatchOptions,
  matchWeights,
  type State,
  type WeightSource,
  weightSource,
} from './weights.js';

/** What is planned. */
export interface PlanOptions {
  /** As in a call; what the configuration says unless given. */
  output_hidden_states?: boolean | readonly number[];
  /** Hidden states and nothing else, as `hidden_states` computes them. Default false. */
  hiddenStatesOnly?: boolean;
}

/** What is timed. */
export interface ProfileOptions {
  /** Runs that are timed, 1 to 100000. Default 20. */
  runs?: number;
}

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
  readonly newlyInitialized: readonly string[] = [];
  /** As a checkpoint has it; of a quantized one, `#graph` has its scales as well. */
  readonly #built: Graph;
  #graph: Graph;
  readonly #memory: MemoryMode;
  readonly #engineOptions: EngineOptions;
  /** Of a quantized model, the type of its values. */
  readonly #rawType: RawType | undefined;
  /** Layers whose weights the checkpoint does without: the last one of a segmenter. */
  #absent: ReadonlySet<string> = new Set();
  /** Undefined once disposed. */
  #state: State | undefined;
  #network: Network | undefined;
  /** Gives back what gradients keep, once there were some. */
  #releaseGradients: (() => void) | undefined;

  protected constructor(graph: Graph, config: MobileNetV2Config, options: ModelOptions & { state?: State }) {
    super();
    checkOptions(options, [...MODEL_OPTIONS, 'state'], 'model');
    const { seed = 0, state, threads, wasmModule, memory = 'fast' } = options;
    if (memory !== 'fast' && memory !== 'low') {
      throw expected('memory', "'fast' or 'low'", memory);
    }
    const device = deviceOf(options.device);
    if (!Number.isInteger(seed)) throw expected('seed', 'a whole number', seed);
    activationFunction(config.hidden_act); // throws for an unknown name
    this.config = config;
    this.device = device;
    this.#rawType = quantizedType(config);
    this.#built = this.#rawType === undefined ? graph : foldedGraph(graph);
    this.#graph = this.#built;
    this.#memory = memory;
    this.#engineOptions = { threads, wasmModule };
    if (state === undefined && this.#rawType !== undefined) {
      throw new MobileNetError(
        'CONFIG',
        'quantization_config: a new model has real numbers; leave it out, or load quantized weights with from_pretrained',
      );
    }
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
    const { strict = true, allowNonfinite = false, ignore_mismatched_sizes = false, signal } = options;
    checkDtype('dtype', options.dtype);
    checkDtype('torch_dtype', options.torch_dtype);
    checkSignal(signal);
    signal?.throwIfAborted();
    // biome-ignore lint/complexity/noThisInStatic: the class that was called, such as the segmenter
    const folder = await unlessAborted(openFolder(where, options, this.shipped), signal);
    // All at once: kernels are compiled and weights are read while the configuration is looked at.
    const modelOptions: ModelOptions = pick(options, MODEL_OPTIONS);
    const weights = loadWeights(folder, signal);
    weights.catch(() => {}); // awaited below, unless the configuration is at fault
    const config = await unlessAborted(configOf(folder, options), signal);
    const wantsReal = wantsRealNumbers(options.dtype ?? options.torch_dtype, quantizedType(config));
    const kernels = prepareEngine(deviceOf(options.device), modelOptions, wantsReal ? 'f32' : elementsOf(config));
    kernels.catch(() => {}); // as above
    const stored = await unlessAborted(weights, signal);
    await unlessAborted(kernels, signal);
    const sources = new Map<string, WeightSource>();
    for (const [name, tensor] of stored.tensors) sources.set(name, weightSource(tensor, allowNonfinite));
    // An empty state spares the random numbers that the file would replace at once.
    // Whole numbers that become real ones are never computed with: their model makes no kernels.
    const own = wantsReal ? { ...modelOptions, device: 'reference' as const } : modelOptions;
    const model: MobileNetV2PreTrainedModel<unknown> = new this(config, { ...own, state: new Map() });
    const how = { strict, ignore_mismatched_sizes, seed: modelOptions.seed ?? 0, file: stored.file };
    model.#load(sources, how, stored.notes);
    if (!wantsReal) return model as M;
    const real = new this(withoutQuantization(config), {
      ...modelOptions,
      state: new Map(),
    }) as MobileNetV2PreTrainedModel<unknown>;
    real.#use(dequantizedState(model.#built, model.#alive(), real.#built));
    model.dispose();
    return real as M;
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
    const statistics = /\.(running_mean|running_var|num_batches_tracked|(weight_)?(scale|zero_point))$/;
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
   * @param options `strict: false` ignores unexpected tensors, and leaves weights without a tensor as they are
   */
  load_state_dict(
    weights: ReadonlyMap<string, Tensor> | Record<string, Tensor>,
    options: { strict?: boolean } = {},
  ): void {
    checkOptions(options, ['strict'], 'load_state_dict');
    const { strict = true } = options;
    this.#alive();
    checkObject(weights, 'load_state_dict', 'tensors by their names');
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
        readWhole: (types) => wholeTensor(name, tensor, types),
      });
    }
    this.#load(sources, { strict, seed: 0, present: this.#alive() });
  }

  /** Writes config.json and model.safetensors, which Python's transformers reads. */
  async save_pretrained(dir: string, options: SavePretrainedOptions = {}): Promise<void> {
    checkOptions(options, ['dtype'], 'save_pretrained');
    checkFloatDtype('dtype', options.dtype);
    checkText(dir, 'save_pretrained');
    const dtype = DTYPES[options.dtype ?? 'float32'];
    if (this.#rawType !== undefined && dtype !== 'float32') {
      throw new MobileNetError(
        'ARG',
        `dtype: this model is quantized and is written as it is; load it with dtype: 'fp32' to write it as ${dtype}`,
      );
    }
    const state = this.#alive();
    const write = requirePlatform('writeFolder', 'save_pretrained');
    await write(dir, checkpointFiles(this.config, state, { architecture: this.architecture, dtype }));
  }

  /** Plans and runs once on zeros, so that the first real call is as fast as the others. */
  async warmup(dims: InputDims): Promise<void> {
    this.plan(dims); // refuses what no memory holds, before the zeros are made
    const pixel_values = new Tensor('float32', new Float32Array(elementCount(dims)), dims);
    await this.forward({ pixel_values });
  }

  /**
   * Hidden states and nothing else: what follows the last of them is not computed.
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
   * after batch norm and activation. Only what they need is computed; where a layer is asked for, nothing is fused
   * across it.
   * @param names of nodes, or of outputs such as `hidden_states.3`
   * @returns by name, in the order of `names`: [N,C,h,w] each, [N,C] after global pooling
   * @throws MobileNetError ARG for an unknown name
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
    const wanted = this.#computable(checkNames(names, this.#graph));
    const pixels = ownPixels(pixel_values, this.config);
    const results = await network.run(pixels.data, pixels.dims, wanted, signal);
    return new Map(wanted.map((name) => [name, results.get(name)!]));
  }

  /** The layers in order for an input [N,C,H,W]: what each makes, costs, and sees of the picture. Computes nothing. */
  layers(dims: InputDims): Layer[] {
    return describeLayers(this.#graph, checkDims(dims, this.config), this.taskOutputs());
  }

  /**
   * The plan for an input [N,C,H,W]: steps, kernels, arena.
   * @throws MobileNetError ARG for dims or options that cannot be, DISPOSED
   */
  plan(dims: InputDims, options: PlanOptions = {}): Plan {
    checkOptions(options, ['output_hidden_states', 'hiddenStatesOnly'], 'plan');
    const { output_hidden_states: asked = this.config.output_hidden_states, hiddenStatesOnly = false } = options;
    const [batch, channels, height, width] = checkDims(dims, this.config);
    const outputs = hiddenStatesOnly ? someHiddenNames(asked) : this.#outputs(asked);
    return this.#running().plan([batch, channels, height, width], this.#computable(outputs));
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
      throw expected('runs', `a whole number from 1 to ${MOST_RUNS}`, runs);
    }
    const network = this.#running();
    const outputs = this.#outputs(output_hidden_states ?? this.config.output_hidden_states);
    const { data: pixels, dims } = ownPixels(pixel_values, this.config);
    return network.profile(dims, outputs, { pixels, runs, signal });
  }

  /**
   * The loss of these pictures and its gradients: by the parameters, and by the pictures where that is asked for. The model
   * stays as it is. What computes them is loaded with the first call, and has memory of its own, which it gives back ten seconds
   * after the last call or with the model.
   * @param inputs pictures and labels; for losses of one's own see `loss` of the options
   * @throws MobileNetError ARG, UNSUPPORTED for a quantized model, OUT_OF_MEMORY, DISPOSED
   */
  async gradients(inputs: ModelInputs | Tensor, options?: GradientOptions): Promise<Gradients> {
    const { gradientsOf, releaseGradients } = await loadGradients();
    this.#releaseGradients = () => releaseGradients(this);
    return gradientsOf(this, inputs, options);
  }

  /** What engines for this model are made with. @internal */
  get engineOptions(): EngineOptions {
    return this.#engineOptions;
  }

  /** The layers, as they stand in the checkpoint. */
  get graph(): Graph {
    return this.#graph;
  }

  /** Gives weights and plans back. Every later call but this one throws DISPOSED. */
  dispose(): void {
    this.#releaseGradients?.();
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
    const pixels = ownPixels(pixel_values, this.config);
    const hidden = hiddenNames(asked);
    const results = await network.run(pixels.data, pixels.dims, this.#outputs(asked), signal);
    const hidden_states = hidden?.map((name) => results.get(name)!);
    return { results, hidden_states };
  }

  #outputs(output_hidden_states: boolean | readonly number[]): string[] {
    return this.#computable([...this.taskOutputs(), ...(hiddenNames(output_hidden_states) ?? [])]);
  }

  /** Each output once. @throws MobileNetError WEIGHTS for one that needs weights which are not there */
  #computable(names: readonly string[]): string[] {
    const outputs = [...new Set(names)];
    if (this.#absent.size === 0) return outputs;
    const absent = prune(this.#graph, outputs).nodes.find(({ name }) => this.#absent.has(name));
    if (absent === undefined) return outputs;
    throw new MobileNetError(
      'WEIGHTS',
      `${listNames(outputs, 3)}: needs ${absent.name}, whose weights the checkpoint does not hold; a segmenter does without, and its hidden states can be computed`,
      { tensor: absent.name },
    );
  }

  #load(
    sources: ReadonlyMap<string, WeightSource>,
    how: Omit<MatchOptions, 'config'>,
    more: readonly string[] = [],
  ): void {
    const { state, newlyInitialized, notes } = matchWeights(sources, this.#built, { config: this.config, ...how });
    (this as { newlyInitialized: readonly string[] }).newlyInitialized = newlyInitialized;
    for (const note of [...more, ...notes]) warn(note);
    if (how.present === undefined && newlyInitialized.length > 0) {
      const names = listNames(newlyInitialized, 10);
      warn(`${how.file}: lacks weights, which are random now; until they are trained, results mean nothing: ${names}`);
    }
    this.#use(state);
  }

  #use(state: State): void {
    this.#network?.engine.dispose();
    this.#state = state;
    const layers = this.#built.nodes.filter((node) => node.op === 'convolution' || node.op === 'linear');
    this.#absent = new Set(layers.filter(({ weight }) => !state.has(weight)).map(({ name }) => name));
    // An empty state is that of a model whose weights are on their way.
    if (this.#rawType !== undefined && state.size > 0) this.#graph = scaledGraph(this.#built, state, this.#rawType);
    this.#network = new Network(
      this.#graph,
      (name) => state.get(name)!.data as Float32Array,
      makeEngine(this.device, this.#engineOptions, elementsOf(this.config)),
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

/** A tensor of whole numbers, as a quantized model has it. */
function wholeTensor<T extends TensorType>(name: string, tensor: Tensor, types: readonly T[]): Tensor<T> {
  if (types.includes(tensor.type as T)) return tensor as Tensor as Tensor<T>;
  throw new MobileNetError('DTYPE', `${name}: expected ${types.join(' or ')}, got ${tensor.type}`, { tensor: name });
}

const disposed = () => new MobileNetError('DISPOSED', 'the model was disposed; load it again');

/** config.json of a folder, with what the caller says over it. */
async function configOf(folder: Folder, options: FromPretrainedOptions): Promise<MobileNetV2Config> {
  const { config } = options;
  const fields = pick(options, CONFIG_FIELDS);
  if (config instanceof MobileNetV2Config) return MobileNetV2Config.from_dict(config.to_dict(), fields);
  return MobileNetV2Config.from_pretrained(folder, { ...config, ...fields });
}
