/** What the page asks of its worker, and what it gets. Everything here is plain data that can be posted. */
import type { GraphNode } from 'mobilenet-v2';

export interface Settings {
  device: 'auto' | 'wasm' | 'js' | 'reference';
  threads: number | 'auto';
}

/** What a network does: name the picture, or its regions, or name it as the visitor taught it. */
export type Task = 'what' | 'where' | 'taught';

/** Those of a folder, or a single .safetensors. */
export type ModelFiles = readonly { path: string; file: File }[];

export interface ModelInfo {
  name: string;
  task: Task;
  labels: string[];
  /** Of the input. */
  height: number;
  width: number;
  parameters: number;
  multiplyAdds: number;
  engine: string;
  /** What it computes with: float32, or the whole numbers of a quantized model. */
  numbers: string;
  threads: number;
  /** Threads that run at once here; 1 where memory cannot be shared. */
  mostThreads: number;
  /** Tensors that the files did not hold. */
  random: number;
  /** It does not come with the page. */
  own: boolean;
}

/** How a picture is to be answered. */
export interface LookOptions {
  /** Longest edge of the colours that lie over the picture, in pixels. */
  edge: number;
}

/** Milliseconds. What a picture took already for another question is not counted again. */
export interface Times {
  prepareMs: number;
  networkMs: number;
}

export interface Label {
  id: number;
  label: string;
  score: number;
}

export interface What extends Times {
  /** The five best. */
  labels: Label[];
  /** The one that is explained: the one asked for, or the best. */
  explained: Label;
  /** Null from a model whose classifier does not allow it. */
  glow: ImageBitmap | null;
}

export interface Region {
  id: number;
  label: string;
  color: readonly [red: number, green: number, blue: number];
  /** Of the picture, 0 to 1. */
  share: number;
}

export interface Where extends Times {
  /** The largest first, with the background. */
  regions: Region[];
  colors: ImageBitmap;
  /** The class of every pixel of `colors`, row by row. */
  classes: Uint8Array<ArrayBuffer>;
}

/** A block of the network, or a layer that is in none. */
export interface Stage {
  /** `conv_stem`, `layer.3`, `conv_1x1`. */
  name: string;
  layers: string[];
  /** What each of the layers does. */
  parts: Part[];
  /** The layer whose values leave it. */
  output: string;
  /** [C,h,w] or [C] of the output. */
  dims: number[];
  /** Channels of its input, then of what each convolution makes. */
  widths: number[];
  stride: number;
  shortcut: boolean;
  ms: number;
}

/** What a layer does: its node of the graph. */
export type Operation = GraphNode;

export interface Part {
  operation: Operation;
  /** That it makes. */
  channels: number;
  /** It reads what the layer before it makes; else it begins a branch. */
  goesOn: boolean;
}

export interface Figure {
  stages: Stage[];
  /** The strongest channel of each stage, side by side. */
  thumbs: ImageBitmap;
  /** What the network was given. */
  picture: ImageBitmap;
}

/** The channels of a layer. */
export interface Maps {
  /** The strongest ones. */
  sheet: ImageBitmap;
  channels: number[];
  /** Of all. */
  total: number;
  height: number;
  width: number;
  bright: number;
  /** Share of values that are exactly 0. */
  zeros: number;
  operation: Operation;
  parameters: number;
  multiplyAdds: number;
  /** Pixels of the network's input that one value sees, across; null where it is all. */
  sees: number | null;
}

export interface Channel {
  values: Float32Array<ArrayBuffer>;
  height: number;
  width: number;
}

export interface Sum {
  /** All of them; only the largest where a sum is over many channels. */
  terms: { channel: number; y: number; x: number; value: number; weight: number; product: number }[];
  /** The sum of the other terms, and how many they are. */
  rest: number;
  others: number;
  bias: number;
  sum: number;
  activation: string;
  result: number;
  kernel: number;
  depthwise: boolean;
}

/** One value of a layer, and how it came about. */
export interface Value {
  channel: number;
  y: number;
  x: number;
  /** The network's own number. */
  network: number;
  /** In pixels of the network's input; null where it sees all. */
  sees: { left: number; top: number; width: number; height: number } | null;
  /** Null for what is no convolution of real numbers. */
  sum: Sum | null;
}

/** Why a label has its logit. */
export interface Evidence {
  speakers: { channel: number; mean: number; weight: number; product: number }[];
  /** Their maps, side by side. */
  sheet: ImageBitmap;
  others: number;
  rest: number;
  bias: number;
  sum: number;
  /** The network's own logit. */
  network: number;
}

/** The network that the visitor taught, now or at an earlier visit. */
export interface Kept {
  labels: string[];
  /** Milliseconds since 1970. */
  savedAt: number;
}

/** The worker's calls. */
export interface Calls {
  /** The engine for all models. Those that are loaded are loaded anew with the next question. */
  configure(settings: Settings): void;
  /** Loads the page's own model for a task, unless it is there. */
  open(task: Task): ModelInfo;
  /** Takes a model of the visitor's in place of the page's. */
  adopt(files: ModelFiles): ModelInfo;
  /** Goes back to the page's models. */
  restore(): void;
  /** Reads a picture. One that cannot be read leaves the last as it was. */
  see(image: Blob | ImageBitmap): void;
  /** @param label the class to explain; the best for null */
  what(label: number | null, options: LookOptions, task?: 'what' | 'taught'): What;
  /** What the visitor taught and this browser keeps; null for nothing. */
  kept(): Kept | null;
  /** It was trained anew: the one before is forgotten. */
  renewKept(): void;
  /** Takes it in place of the page's. */
  adoptKept(): ModelInfo;
  removeKept(): void;
  where(options: LookOptions): Where;
  /** The colours of the last `where` anew, with one class alone, or all for null. */
  highlight(id: number | null): { colors: ImageBitmap };
  figure(task: Task): Figure;
  maps(task: Task, layer: string, across: number): Maps;
  channel(task: Task, layer: string, channel: number): Channel;
  value(task: Task, layer: string, at: { channel: number; y: number; x: number }): Value;
  evidence(task: 'what' | 'taught', id: number): Evidence | null;
}

/** The names of the calls; TypeScript finds one that is missing. */
const CALLS = {
  configure: 1,
  open: 1,
  adopt: 1,
  restore: 1,
  see: 1,
  what: 1,
  kept: 1,
  renewKept: 1,
  adoptKept: 1,
  removeKept: 1,
  where: 1,
  highlight: 1,
  figure: 1,
  maps: 1,
  channel: 1,
  value: 1,
  evidence: 1,
} satisfies Record<keyof Calls, 1>;
export const callNames = Object.keys(CALLS) as (keyof Calls)[];

export interface Request {
  id: number;
  call: keyof Calls;
  args: unknown[];
}

/** Bytes of a model's files so far; `total` is 0 where it is not known. */
export interface Progress {
  loaded: number;
  total: number;
}

export type Response = { id: number; result: unknown } | { id: number; error: string } | { progress: Progress };
