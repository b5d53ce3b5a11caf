/** What the page asks of its worker, and what it gets. Everything here is plain data that can be posted. */

export interface Settings {
  device: 'auto' | 'wasm' | 'js' | 'reference';
  threads: number | 'auto';
}

/** Those of a folder, or a single .safetensors. */
export type ModelFiles = readonly { path: string; file: File }[];

export interface ModelInfo {
  name: string;
  task: 'image-classification' | 'image-segmentation';
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
}

export interface Label {
  id: number;
  label: string;
  score: number;
}

export interface Segment {
  label: string;
  colour: readonly [red: number, green: number, blue: number];
  /** Of the picture, 0 to 1. */
  share: number;
}

export interface Look {
  width: number;
  height: number;
  /** Milliseconds from file to pixel values, and through the network. */
  prepareMs: number;
  networkMs: number;
  /** All of them, best first; empty from a model that segments. */
  labels: Label[];
  segments: Segment[];
  /** Classes in colour, transparent where nothing is; null from a model that classifies. */
  overlay: ImageBitmap | null;
}

export interface Why extends Label {
  /** At the picture's size. */
  heatmap: ImageBitmap;
}

export interface LayerRow {
  name: string;
  /** `conv_stem`, `layer.3`, or the layer's own name where it is in no block. */
  block: string;
  op: string;
  description: string;
  /** [N,C,h,w] or [N,C]; null for a layer that the task does not use. */
  dims: number[] | null;
  parameters: number;
  multiplyAdds: number;
  /** Pixels of the network's input that one value sees, across; null from where on it is all. */
  sees: number | null;
  /** Null where its work was done in another layer's step, which `within` names. */
  ms: number | null;
  within: string | null;
}

export interface Tiles {
  bitmap: ImageBitmap;
  channels: number;
  /** Height and width of a channel's map. */
  height: number;
  width: number;
  least: number;
  most: number;
  /** Share of values that are exactly 0. */
  zeros: number;
}

/** The worker's calls. */
export interface Calls {
  /** @param model files, or the folder of a model that comes with the page */
  load(model: string | ModelFiles, settings: Settings): ModelInfo;
  configure(settings: Settings): ModelInfo;
  look(image: Blob | ImageBitmap): Look;
  /** The median time of the network over some more passes of the last picture. */
  measure(): { ms: number; passes: number };
  explain(id: number): Why;
  layers(): LayerRow[];
  tiles(name: string): Tiles;
}

export interface Request {
  id: number;
  call: keyof Calls;
  args: unknown[];
}

export type Response = { id: number; result: unknown } | { id: number; error: string };
