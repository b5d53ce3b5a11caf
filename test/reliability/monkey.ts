/**
 * A monkey: it calls every export of every entry for Node, and every method and static of its classes, with whatever comes to
 * hand. Each call must end in time, with a result or with a typed error, and must leave no file that nobody asked for.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import * as convertEntry from '../../src/entries/convert-node.js';
import * as hubEntry from '../../src/entries/hub-node.js';
import * as imageEntry from '../../src/entries/image-node.js';
import * as mainEntry from '../../src/entries/main-node.js';
import {
  env,
  ImageClassificationPipeline,
  ImageFeatureExtractionPipeline,
  ImageSegmentationPipeline,
  MobileNetError,
  MobileNetV2Config,
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2ImageProcessor,
  MobileNetV2Model,
  RawImage,
  Tensor,
  type TensorType,
} from '../../src/entries/main-node.js';
import * as ndarrayEntry from '../../src/entries/ndarray.js';
import { randomNumbers } from '../helpers/random.js';
import { saveTinyClassifier, stripes } from '../helpers/tiny.js';

/** Thrown by proxies and callbacks of the monkey's: what a caller throws comes back to the caller. */
class OwnError extends Error {}

/** What is not ours: ndarray and its loops come from elsewhere; the class of errors is there to be thrown. */
const FOREIGN = new Set(['ndarray', 'ops', 'MobileNetError']);
/** TypeScript hides these from callers. */
const PROTECTED = new Set(['constructor', 'compute', 'architecture', 'taskOutputs']);

/** Something to call: `call` takes the arguments, and makes what it belongs to by itself. */
interface Subject {
  name: string;
  arity: number;
  call(args: unknown[]): unknown;
}

export interface Findings {
  calls: number;
  /** Ended without an error. */
  accepted: number;
  /** Errors that the monkey itself threw, and that came back as they were. */
  own: number;
  subjects: number;
  worstMs: number;
  /** What must not be, by its kind, with an example. */
  faults: Map<string, { count: number; example: string }>;
}

/** Milliseconds after which a call counts as hanging. */
const LONGEST = 20_000;

const CONFIG = {
  depth_multiplier: 0.1,
  finegrained_output: false,
  image_size: 32,
  initializer_range: 0.3,
  num_labels: 3,
};

class Monkey {
  readonly #random: () => number;
  readonly #fixtures: string;
  #models: ReturnType<typeof makeModels> | undefined;
  #age = 0;
  readonly findings: Findings = { calls: 0, accepted: 0, own: 0, subjects: 0, worstMs: 0, faults: new Map() };

  constructor(seed: number, fixtures: string) {
    this.#random = randomNumbers(seed);
    this.#fixtures = fixtures;
  }

  #below = (n: number): number => Math.floor(this.#random() * n);
  #one = <T>(list: readonly T[]): T => list[this.#below(list.length)];

  /** Models, made anew now and then: the monkey disposes of them. */
  get models() {
    if (this.#models === undefined || this.#age++ > 200) {
      this.#models?.disposeAll();
      this.#models = makeModels();
      this.#age = 0;
    }
    return this.#models;
  }

  end(): void {
    this.#models?.disposeAll();
  }

  #tensor(): Tensor {
    const type = this.#one<TensorType>(['float32', 'float32', 'uint8', 'int64', 'int32', 'bool', 'float16', 'float64']);
    const dims = this.#one([
      [1, 3, 32, 32],
      [2, 3, 8, 8],
      [3, 8, 8],
      [8, 8],
      [4],
      [],
      [0],
      [1, 2],
      [2, 0, 3],
      [1, 3, 4, 4],
    ]);
    const size = dims.reduce((a, b) => a * b, 1);
    const made = mainEntry.full(dims, this.#one([0, 1, 0.5, -1, Number.NaN])).to(type);
    if (this.#below(20) > 0 || size === 0) return made;
    structuredClone(made.data.buffer, { transfer: [made.data.buffer as ArrayBuffer] });
    return made; // with nothing in it
  }

  #image(): RawImage {
    const channels = this.#one([1, 3, 4] as const);
    const [width, height] = this.#one([
      [8, 8],
      [32, 32],
      [1, 40],
    ]);
    return new RawImage(new Uint8Array(width * height * channels).fill(this.#below(256)), width, height, channels);
  }

  #bytes(): unknown {
    const png = new Uint8Array(stripes(this.#below(99), 16, 12));
    return this.#one<() => unknown>([
      () => png,
      () => png.buffer,
      () => Buffer.from(png),
      () => png.subarray(0, this.#below(png.length)),
      () => new DataView(png.buffer),
      () => new Blob([png]),
      () => new Response(png),
      () => new Blob([png]).stream(),
      () => new Uint8Array(new SharedArrayBuffer(12)),
      () => {
        structuredClone(png.buffer, { transfer: [png.buffer] });
        return png;
      },
      () => [png][Symbol.iterator](),
      async function* () {
        yield png;
      },
    ])();
  }

  /** What a call could well be given. */
  #valid(): unknown {
    const { classifier, segmenter, base, processor, state } = this.models;
    const abort = () => {
      const controller = new AbortController();
      const when = this.#below(9);
      if (when < 3) controller.abort();
      else if (when < 5) setTimeout(() => controller.abort(), this.#below(5));
      return controller.signal;
    };
    return this.#one<() => unknown>([
      () => this.#tensor(),
      () => this.#tensor(),
      () => this.#tensor(),
      () => this.#image(),
      () => this.#image(),
      () => ({ data: new Uint8ClampedArray(64), width: 4, height: 4 }),
      () => this.#bytes(),
      () => join(this.#fixtures, 'a.png'),
      () => join(this.#fixtures, 'model'),
      () => this.#one(['CHW', 'HWC', 'float32', 'int64', 'x.png', 'x.jpg', 'org/name', 'out', 'main', 'image/png']),
      () => this.#one(['image-classification', 'image-segmentation', 'image-feature-extraction', 'softmax', 'logits']),
      () => this.#one([0, 1, 2, 3, 4, 8, 16, 32, -1, 0.5]),
      () => this.#one([true, false]),
      () => [this.#below(4), this.#below(9)],
      () => [1, 3, 32, 32],
      () => [this.#tensor(), this.#tensor()],
      () => [this.#image(), this.#image()],
      () => [1, 2, 3.5],
      () => new MobileNetV2Config(CONFIG),
      () => this.#one([classifier, segmenter, base, processor]),
      () => new Map(state),
      () => ({ pixel_values: this.#tensor(), labels: this.#tensor() }),
      () => ({ pixel_values: new Tensor('float32', new Float32Array(3072), [1, 3, 32, 32]), signal: abort() }),
      () => ({ logits: this.#tensor() }),
      () => ({ signal: abort() }),
      () => ({ progress_callback: this.#one([() => {}, thrower]) }),
      () => ({ read: async () => new TextEncoder().encode('{}'), name: 'a folder' }),
      () => (value: number) => value,
      () => this.#options(),
      () => this.#options(),
    ])();
  }

  /** Options by names that something knows, with values that it may not. */
  #options(): Record<string, unknown> {
    const options: Record<string, unknown> = {};
    for (let n = this.#below(3); n >= 0; n--)
      options[this.#one(OPTION_NAMES)] = this.#below(2) ? this.#odd(1) : this.#one(SMALL);
    return options;
  }

  /** What no call should be given. */
  #odd(depth = 0): unknown {
    const wrong = this.#one(ODD)();
    if (depth > 2 || this.#below(4) > 0) return wrong;
    return this.#one<() => unknown>([
      () => [wrong],
      () => ({ [this.#one(OPTION_NAMES)]: wrong }),
      () => [this.#valid(), wrong],
      () => ({
        data: this.#odd(depth + 1),
        width: this.#odd(depth + 1),
        height: this.#one([1, 2]),
        channels: this.#one([1, 3, 4]),
      }),
      () => ({ type: wrong, data: this.#odd(depth + 1), dims: this.#odd(depth + 1) }),
      () => Object.freeze(safely(() => ({ ...Object(wrong) })) ?? {}),
      () => new Map([[wrong, this.#odd(depth + 1)]]),
    ])();
  }

  #arguments(arity: number): unknown[] {
    const count = this.#below(Math.min(5, arity + 3));
    const careless = this.#one([0.1, 0.3, 0.7, 1]);
    return Array.from({ length: count }, () => (this.#random() < careless ? this.#odd() : this.#valid()));
  }

  /** One call; what is wrong with it goes to the findings. */
  async step(subjects: readonly Subject[]): Promise<void> {
    const { findings } = this;
    const subject = this.#one(subjects);
    const args = this.#arguments(subject.arity);
    const shown = safely(() => JSON.stringify(args.map(describe))) ?? 'arguments';
    const begin = performance.now();
    findings.calls++;
    try {
      await ended(finish(subject.call(args)));
      findings.accepted++;
    } catch (error) {
      if (isOwn(error)) findings.own++;
      else if (!isTyped(error)) this.report(`${subject.name}: ${kindOf(error)}`, shown);
    }
    if (/dispose/.test(subject.name)) this.#age = 1000;
    findings.worstMs = Math.max(findings.worstMs, performance.now() - begin);
    const left = readdirSync('.').filter((name) => name !== 'cache');
    if (left.length > 0 && !args.some(hasText)) this.report(`${subject.name}: leaves ${left}`, shown);
    for (const name of left) rmSync(name, { recursive: true, force: true });
  }

  report(kind: string, example: string): void {
    const found = this.findings.faults.get(kind) ?? { count: 0, example: example.slice(0, 300) };
    found.count++;
    this.findings.faults.set(kind, found);
  }
}

function makeModels() {
  const config = new MobileNetV2Config(CONFIG);
  const processor = new MobileNetV2ImageProcessor({ size: 32, crop_size: 32 });
  const classifier = new MobileNetV2ForImageClassification(config, { device: 'js', seed: 1 });
  const segmenter = new MobileNetV2ForSemanticSegmentation(config, { device: 'js', seed: 1 });
  const base = new MobileNetV2Model(config, { device: 'wasm', threads: 1, seed: 1 });
  const pipelines = [
    new ImageClassificationPipeline(processor, classifier),
    new ImageSegmentationPipeline(processor, segmenter),
    new ImageFeatureExtractionPipeline(processor, base),
  ];
  const disposeAll = () => {
    for (const each of [classifier, segmenter, base]) each.dispose();
  };
  return { config, processor, classifier, segmenter, base, pipelines, disposeAll, state: classifier.state_dict() };
}

const thrower = (): never => {
  throw new OwnError('thrown by the caller');
};

/** A proxy that throws whatever is done with it, or at its n-th touch. */
function spiteful(target: object, after: number): object {
  let touches = 0;
  const trap = (name: 'get' | 'has' | 'ownKeys' | 'getPrototypeOf' | 'getOwnPropertyDescriptor') =>
    ((...args: [object, PropertyKey]) =>
      touches++ >= after ? thrower() : (Reflect[name] as (...args: unknown[]) => unknown)(...args)) as never;
  return new Proxy(target, {
    get: trap('get'),
    has: trap('has'),
    ownKeys: trap('ownKeys'),
    getPrototypeOf: trap('getPrototypeOf'),
    getOwnPropertyDescriptor: trap('getOwnPropertyDescriptor'),
  });
}

/** Another realm's. */
const foreign = (source: string): unknown => runInNewContext(source);

const ODD: readonly (() => unknown)[] = [
  () => undefined,
  () => undefined,
  () => null,
  () => null,
  () => Number.NaN,
  () => Infinity,
  () => -Infinity,
  () => -0,
  () => 1e308,
  () => 2 ** 53,
  () => 2 ** 40,
  () => -1.5,
  () => 10n,
  () => 2n ** 200n,
  () => Symbol('odd'),
  () => Symbol.iterator,
  () => '',
  () => '__proto__',
  () => 'constructor',
  () => 'a\0b',
  () => 'x'.repeat(5000),
  () => '../..',
  () => true,
  () => ({}),
  () => [],
  () => [[]],
  () => [[], {}],
  () => [null],
  () => [undefined, undefined],
  () => new Array(3),
  () => [1e308, 1e308],
  () => [2 ** 40, 2 ** 40],
  () => [-1],
  () => Object.create(null),
  () => Object.freeze([]),
  () => Object.freeze({}),
  () => new Date(Number.NaN),
  () => /x/g,
  () => new Map(),
  () => new Set([1]),
  () => new WeakMap(),
  () => Promise.resolve(1),
  () => new Promise(() => {}),
  () => new Proxy({}, {}),
  () => spiteful({}, 0),
  () => spiteful({}, 3),
  () => spiteful([1, 2], 0),
  () => spiteful([1, 2], 5),
  () => spiteful(() => 1, 2),
  () => ({ toString: thrower, valueOf: thrower }),
  () => ({ [Symbol.toPrimitive]: thrower }),
  () => ({
    get data() {
      return thrower();
    },
    width: 1,
    height: 1,
    channels: 1,
  }),
  () => ({ [Symbol.toStringTag]: 'Blob', size: 3 }),
  () => ({ [Symbol.toStringTag]: 'Uint8Array' }),
  () => ({ [Symbol.toStringTag]: 'Map' }),
  () => ({ [Symbol.toStringTag]: 'ArrayBuffer' }),
  () => ({ [Symbol.toStringTag]: 'URL', href: 5 }),
  () => ({ [Symbol.toStringTag]: 'Response' }),
  () => ({ [Symbol.toStringTag]: 'Request' }),
  () => ({ getContext: 5 }),
  () => ({ getContext: () => null, width: 2, height: 2 }),
  () => ({ getContext: () => ({}), width: 2, height: 2 }),
  () => ({ getContext: () => ({ getImageData: () => null }), width: 2, height: 2 }),
  () => ({ getReader: 5 }),
  () => ({ [Symbol.asyncIterator]: 5 }),
  () => ({ [Symbol.asyncIterator]: thrower }),
  () => ({ close() {}, width: 3, height: 3 }),
  () => ({ naturalWidth: 3, naturalHeight: 3, decode: thrower }),
  () => ({ videoWidth: 1, addEventListener() {}, ended: true }),
  () => ({ length: 3 }),
  () => ({ length: 2 ** 40 }),
  () => ({ data: [1], width: 1, height: 1, channels: 1 }),
  () => ({ aborted: true, throwIfAborted: 5 }),
  () => ({ throwIfAborted() {} }),
  () => ({ logits: null }),
  () => ({ read: 5 }),
  () => ({ read: () => 5, name: Symbol('folder') }),
  () => ({ read: thrower, name: 'folder' }),
  () => ({ read: async () => 5, name: 'folder' }),
  () => ({ signal: AbortSignal.abort() }),
  () => ({ signal: AbortSignal.abort(5) }),
  () => new Uint8Array(0),
  () => new Float32Array([Number.NaN, 1]),
  () => new BigInt64Array(2),
  () => new Uint8Array(new SharedArrayBuffer(4)),
  () => {
    const gone = new Float32Array(4);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    return gone;
  },
  () => foreign('new Uint8Array(4)'),
  () => foreign('new Float32Array(4)'),
  () => foreign('[1, 2]'),
  () => foreign('({})'),
  () => foreign('new Map([[1, 2]])'),
  () => foreign('new ArrayBuffer(4)'),
  () => foreign('new Error("x")'),
  () => class {},
  () => thrower,
  () => async () => thrower(),
  () => function* () {},
  () => ndarrayEntry.ndarray(new Float32Array(6), [2, 3]),
  () => ndarrayEntry.ndarray(new Float32Array(6), [2, 3]).transpose(1, 0),
  () => ndarrayEntry.ndarray([1, 2, 3, 4] as never, [2, 2]),
  () => ndarrayEntry.ndarray(new Float32Array(1), [2 ** 20, 2 ** 20]),
  () => new Error('an error'),
  () => globalThis,
  () => Tensor,
  () => RawImage.prototype,
  () => new Proxy(mainEntry.full([2, 2], 1), {}),
  () => Object.create(RawImage.prototype),
  () => Object.create(MobileNetV2Config.prototype),
];

const SMALL: readonly unknown[] = [
  0,
  1,
  2,
  3,
  true,
  false,
  'js',
  'low',
  'float16',
  'softmax',
  'main',
  [0.5],
  [2, 2],
  null,
];

const OPTION_NAMES = [
  ...['signal', 'top_k', 'topk', 'threshold', 'function_to_apply', 'wholeImage', 'pool', 'layer', 'labels', 'palette'],
  ...['background', 'alpha', 'quality', 'resample', 'indices', 'size', 'crop_size', 'do_resize', 'do_center_crop'],
  ...['do_rescale', 'do_normalize', 'image_mean', 'image_std', 'segmentation_maps', 'input_data_format', 'device'],
  ...['do_convert_rgb', 'do_reduce_labels', 'threads', 'memory', 'seed', 'wasmModule', 'dtype', 'strict', 'runs'],
  ...['config', 'revision', 'subfolder', 'token', 'cache_dir', 'local_files_only', 'force_download', 'state', 'data'],
  ...[
    'allow_patterns',
    'ignore_patterns',
    'output_hidden_states',
    'hiddenStatesOnly',
    'pixel_values',
    'logits',
    'dims',
  ],
  ...['return_segmentation_scores', 'default_to_square', 'id2label', 'label2id', 'num_labels', 'depth_multiplier'],
  ...['hidden_act', 'image_size', 'num_channels', 'architectures', 'problem_type', 'progress_callback', 'from', 'type'],
];

/** A value for the report, without touching it more than its kind allows. */
function describe(value: unknown): string {
  return (
    safely(() => (Array.isArray(value) ? `[${value.slice(0, 4).map(describe)}]` : showPlain(value))) ??
    'a spiteful value'
  );
}

function showPlain(value: unknown): string {
  if (typeof value === 'symbol' || typeof value === 'bigint') return String(value);
  if (typeof value === 'string') return value.slice(0, 40);
  if (typeof value === 'function') return `function ${value.name}`;
  if (value instanceof Tensor) return `Tensor ${value.type} [${value.dims}]`;
  if (value instanceof RawImage) return `RawImage ${value.width}×${value.height}×${value.channels}`;
  if (typeof value !== 'object' || value === null) return String(value);
  const fields = Object.entries(value).slice(0, 4);
  return `${Object.prototype.toString.call(value)} {${fields.map(([name, field]) => `${name}: ${typeof field === 'object' ? Object.prototype.toString.call(field) : String(field)}`)}}`;
}

function safely<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch {
    return undefined;
  }
}

/** Whether text is among the arguments, at any depth: only text names a file. */
function hasText(value: unknown): boolean {
  return (
    safely(() => {
      if (typeof value === 'string') return true;
      if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false;
      return Object.values(value).some(hasText);
    }) ?? false
  );
}

/** An error of the caller's: thrown by its proxies and callbacks, or because a class was handed in as a callback. */
function isOwn(error: unknown): boolean {
  return (
    error instanceof OwnError || (error instanceof TypeError && /^Class construct.* without 'new'$/.test(error.message))
  );
}

/** The one class of errors, or the reason of a signal. */
function isTyped(error: unknown): boolean {
  if (error instanceof MobileNetError) return error.message.length < 500 && error.message !== '';
  return error === 5 || (error instanceof DOMException && error.name === 'AbortError');
}

/** An error by its kind: where in the sources it came from. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return `not an error: ${describe(error)}`;
  const at = /src\/[\w/.-]+\.ts:\d+/.exec(error.stack?.replaceAll('test/reliability/', '') ?? '')?.[0] ?? 'elsewhere';
  return `${error.name} at ${at}: ${error.message.slice(0, 120)}`;
}

/** The end of what a call returns: a promise is awaited, a generator gives its first values. */
async function finish(result: unknown): Promise<unknown> {
  const value = await result;
  const iterable = value as AsyncGenerator | Generator | null | undefined;
  if (typeof iterable !== 'object' || typeof iterable?.next !== 'function') return value;
  for (let n = 0; n < 3; n++) if ((await iterable.next()).done) break;
  return iterable.return?.(undefined);
}

function ended<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('does not end')), LONGEST);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Everything that can be called, each with a fresh thing to belong to. */
function subjectsOf(monkey: Monkey): Subject[] {
  const entries = { main: mainEntry, image: imageEntry, convert: convertEntry, hub: hubEntry, ndarray: ndarrayEntry };
  const subjects: Subject[] = [];
  const seen = new Set<unknown>();
  for (const [entry, exported] of Object.entries(entries)) {
    for (const [name, value] of Object.entries(exported)) {
      if (typeof value !== 'function' || seen.has(value) || FOREIGN.has(name)) continue;
      seen.add(value);
      const isClass = /^class\b/.test(Function.prototype.toString.call(value));
      const own = value as (...args: unknown[]) => unknown;
      if (isClass) subjects.push(...membersOf(`${entry}.${name}`, value as unknown as Class, monkey));
      else subjects.push({ name: `${entry}.${name}`, arity: own.length, call: (args) => own(...args) });
    }
  }
  return subjects;
}

type Class = { new (...args: unknown[]): object; prototype: object };

function membersOf(name: string, Owner: Class, monkey: Monkey): Subject[] {
  const subjects: Subject[] = [];
  const abstract = name.endsWith('PreTrainedModel');
  if (!abstract) {
    const make = (args: unknown[]) => {
      const made = new Owner(...args) as { dispose?: () => void };
      if (typeof made.dispose === 'function') made.dispose();
    };
    subjects.push({ name: `new ${name}`, arity: Owner.length, call: make });
  }
  for (const [key, holder] of namesOf(Owner, Function.prototype)) {
    const method = Reflect.get(holder, key) as unknown;
    if (typeof method !== 'function' || abstract) continue;
    subjects.push({
      name: `${name}.${String(key)}`,
      arity: method.length,
      call: (args) => disposed(Reflect.apply(method, Owner, args)),
    });
  }
  const instance = () => instanceOf(Owner, monkey);
  if (instance() === undefined) return subjects;
  for (const [key, holder] of namesOf(Owner.prototype, Object.prototype)) {
    const { value } = Object.getOwnPropertyDescriptor(holder, key) ?? {};
    if (typeof value !== 'function' || PROTECTED.has(String(key))) continue;
    const call = (args: unknown[]) => Reflect.apply(value, instance(), args);
    subjects.push({ name: `${name}#${String(key)}`, arity: value.length, call });
  }
  return subjects;
}

/** Models that a static has loaded. */
async function disposed(result: unknown): Promise<unknown> {
  const value = (await result) as { dispose?: () => void } | undefined;
  if (value instanceof Tensor || typeof value?.dispose !== 'function') return value;
  value.dispose();
  return undefined;
}

/** The names of an object and of those it inherits from, up to `end`, each with the object that has it. */
function* namesOf(object: object, end: object): Generator<[PropertyKey, object]> {
  const seen = new Set<PropertyKey>();
  for (let holder = object; holder !== end && holder !== null; holder = Object.getPrototypeOf(holder)) {
    for (const key of Reflect.ownKeys(holder)) {
      if (seen.has(key) || ['length', 'name', 'prototype'].includes(String(key))) continue;
      if (Object.hasOwn(Object.prototype, key)) continue; // the prototype of Tensor's is a proxy of it
      seen.add(key);
      yield [key, holder];
    }
  }
}

function instanceOf(Owner: Class, monkey: Monkey): object | undefined {
  const { classifier, segmenter, base, processor, config, pipelines } = monkey.models;
  if (Owner === (Tensor as unknown)) return mainEntry.full([2, 3, 4, 4], 0.5).to('float32');
  if (Owner === (RawImage as unknown)) return new RawImage(new Uint8Array(8 * 6 * 3).fill(77), 8, 6, 3);
  return [classifier, segmenter, base, processor, config, ...pipelines].find(
    (each) => (each as object).constructor === Owner,
  );
}

/** Lets the monkey loose: so many calls, in an empty folder that is working directory and cache. */
export async function letLoose(calls: number, seed: number, progress?: (done: number) => void): Promise<Findings> {
  const home = mkdtempSync(join(tmpdir(), 'monkey-'));
  const [scratch, fixtures, before] = [join(home, 'scratch'), join(home, 'fixtures'), process.cwd()];
  const { onWarning, network, remoteHost, cacheDir } = env;
  mkdirSync(scratch);
  mkdirSync(fixtures);
  Object.assign(env, { onWarning: null, remoteHost: 'http://127.0.0.1:9', cacheDir: join(scratch, 'cache') });
  env.network = { attempts: 1, backoff: 1, timeout: 2000 };
  process.chdir(scratch);
  const monkey = new Monkey(seed, fixtures);
  // A promise of a callback's (a model is a function, too) is the caller's to hear; all else that is not heard is a fault.
  const listeners = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  const unheard = (error: unknown) => {
    if (!isOwn(error) && !isTyped(error)) monkey.report(`nobody hears: ${kindOf(error)}`, '');
  };
  try {
    process.on('unhandledRejection', unheard);
    const subjects = subjectsOf(monkey);
    monkey.findings.subjects = subjects.length;
    for (let n = 0; n < calls; n++) {
      if (n % 500 === 0) {
        progress?.(n);
        writeFileSync(join(fixtures, 'a.png'), stripes(1, 16, 12)); // the monkey may have written there
        await saveTinyClassifier(join(fixtures, 'model'));
      }
      await monkey.step(subjects);
    }
  } finally {
    monkey.end();
    process.off('unhandledRejection', unheard);
    for (const listener of listeners) process.on('unhandledRejection', listener);
    process.chdir(before);
    Object.assign(env, { onWarning, network, remoteHost, cacheDir });
    rmSync(home, { recursive: true, force: true });
  }
  return monkey.findings;
}
