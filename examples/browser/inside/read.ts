/** The worker's side of the figure: what the network made of the picture, at every stage. */
import type { GraphNode, Layer, Tensor } from 'mobilenet-v2';
import { type Classifier, prepared, type Segmenter } from '../models.js';
import type { Channel, Evidence, Figure, Maps, Part, Stage, Task, Value } from '../protocol.js';
import { stageOf } from './stages.js';
import { sumByHand } from './sum.js';
import { brightOf, drawMap, sheetOf, strengths, TILE } from './tiles.js';
import { timesByLayer } from './timing.js';

type Model = (Classifier | Segmenter)['model'];

/** Terms that are listed of a sum over many channels. */
const LISTED = 8;
/** Channels that are listed of what speaks for a label. */
const SPEAKERS = 8;
const INPUT = 'pixel_values';

/** What layers made of one picture: a pointer that moves asks often. */
let kept: { pixels: Tensor<'float32'>; model: Model; values: Map<string, Tensor<'float32'>> } | undefined;

async function values(model: Model, pixels: Tensor<'float32'>, names: readonly string[]) {
  if (kept?.pixels !== pixels || kept.model !== model) kept = { pixels, model, values: new Map([[INPUT, pixels]]) };
  const missing = names.filter((name) => !kept!.values.has(name));
  if (missing.length > 0) {
    for (const [name, value] of await model.activations(pixels, missing)) kept.values.set(name, value);
  }
  return names.map((name) => kept!.values.get(name)!);
}

const layersOf = (model: Model, { dims }: Tensor): Layer[] =>
  model.layers(dims as [number, number, number, number]).filter((layer) => layer.dims !== null);

export async function figure(task: Task): Promise<Figure> {
  const { pipeline, pixels } = await prepared(task);
  const { model } = pipeline;
  const { steps } = await model.profile({ pixel_values: pixels }, { runs: 3 });
  const { ms } = timesByLayer(model.graph.nodes, steps);
  const byStage = new Map<string, Layer[]>();
  for (const layer of layersOf(model, pixels)) {
    const stage = stageOf(layer.name);
    byStage.set(stage, [...(byStage.get(stage) ?? []), layer]);
  }
  const stages = [...byStage].map(([name, layers]) => describe(name, layers, model.graph.nodes, ms));
  const outputs = await values(
    model,
    pixels,
    stages.map(({ output }) => output),
  );
  const thumbs = new OffscreenCanvas(stages.length * TILE, TILE);
  const context = thumbs.getContext('2d')!;
  for (const [n, output] of outputs.entries()) {
    const strength = strengths(output);
    const strongest = strength.indexOf(Math.max(...strength));
    drawMap(context, output, strongest, brightOf(output.data), [n * TILE, 0, TILE]);
  }
  return { stages, thumbs: thumbs.transferToImageBitmap(), picture: await pictureOfPixels(pixels) };
}

function describe(
  name: string,
  layers: readonly Layer[],
  nodes: readonly GraphNode[],
  ms: ReadonlyMap<string, number>,
): Stage {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const convolutions = layers.filter(({ op }) => op === 'convolution');
  const first = byName.get(convolutions[0]?.name ?? '');
  const last = layers[layers.length - 1];
  return {
    name,
    layers: layers.map(({ name }) => name),
    parts: layers.map((layer, n) => partOf(layer, byName.get(layer.name)!, layers[n - 1]?.name)),
    output: last.name,
    dims: last.dims!.slice(1),
    widths: [...(first?.op === 'convolution' ? [first.inChannels] : []), ...convolutions.map(({ dims }) => dims![1])],
    stride: convolutions.some(({ name }) => (byName.get(name) as { stride?: number }).stride === 2) ? 2 : 1,
    shortcut: layers.some(({ op }) => op === 'add'),
    ms: layers.reduce((sum, { name }) => sum + (ms.get(name) ?? 0), 0),
  };
}

/** @param before the layer before it in its stage; undefined for the first */
function partOf({ dims }: Layer, node: GraphNode, before: string | undefined): Part {
  const reads = 'other' in node ? [node.input, node.other] : [node.input];
  return { operation: node, channels: dims![1], goesOn: before === undefined || reads.includes(before) };
}

/** What the network is given, from −1 to 1, as a picture again. */
async function pictureOfPixels({ data, dims }: Tensor<'float32'>): Promise<ImageBitmap> {
  const [, , height, width] = dims;
  const image = new ImageData(width, height);
  const places = height * width;
  for (let at = 0; at < places; at++) {
    for (let c = 0; c < 3; c++) image.data[4 * at + c] = 127.5 * (data[c * places + at] + 1);
    image.data[4 * at + 3] = 255;
  }
  return createImageBitmap(image);
}

export async function maps(task: Task, name: string, across: number): Promise<Maps> {
  const { pipeline, pixels } = await prepared(task);
  const [tensor] = await values(pipeline.model, pixels, [name]);
  const { parameters, multiplyAdds, receptiveField } = layersOf(pipeline.model, pixels).find(
    (layer) => layer.name === name,
  )!;
  const { image, channels, bright } = sheetOf(tensor, across);
  const zeros = tensor.data.reduce((count, value) => count + (value === 0 ? 1 : 0), 0) / tensor.data.length;
  const [, total, height = 1, width = 1] = tensor.dims;
  return {
    ...{ channels, bright, total, height, width, zeros, parameters, multiplyAdds },
    operation: pipeline.model.graph.nodes.find((node) => node.name === name)!,
    sees: receptiveField?.width.size ?? null,
    sheet: image.transferToImageBitmap(),
  };
}

export async function channel(task: Task, name: string, number: number): Promise<Channel> {
  const { pipeline, pixels } = await prepared(task);
  const [tensor] = await values(pipeline.model, pixels, [name]);
  const [, , height = 1, width = 1] = tensor.dims;
  return { values: tensor.data.slice(number * height * width, (number + 1) * height * width), height, width };
}

export async function value(task: Task, name: string, at: { channel: number; y: number; x: number }): Promise<Value> {
  const { pipeline, pixels } = await prepared(task);
  const { model } = pipeline;
  const node = model.graph.nodes.find((node) => node.name === name)!;
  const [output] = await values(model, pixels, [name]);
  const [, , height = 1, width = 1] = output.dims;
  const network = output.data[(at.channel * height + at.y) * width + at.x];
  const field = layersOf(model, pixels).find((layer) => layer.name === name)!.receptiveField;
  const sees = field && {
    left: field.width.start + at.x * field.width.stride - (field.width.size - 1) / 2,
    top: field.height.start + at.y * field.height.stride - (field.height.size - 1) / 2,
    width: field.width.size,
    height: field.height.size,
  };
  if (node.op !== 'convolution' || node.weightZeroPoint !== undefined) return { ...at, network, sees, sum: null };
  const [input] = await values(model, pixels, [node.input]);
  const whole = sumByHand(node, model.state_dict(), input, at);
  const many = node.kernel === 1 && whole.terms.length > LISTED;
  const largest = [...whole.terms].sort((a, b) => Math.abs(b.product) - Math.abs(a.product));
  const terms = many ? largest.slice(0, LISTED) : whole.terms;
  const rest = whole.sum - whole.bias - terms.reduce((sum, { product }) => sum + product, 0);
  const sum = { ...whole, terms, rest: many ? rest : 0, others: whole.terms.length - terms.length };
  return { ...at, network, sees, sum: { ...sum, kernel: node.kernel, depthwise: node.groups > 1 } };
}

/** Which channels spoke for a label: the classifier's weight of each times its mean over the picture. */
export async function evidence(task: 'what' | 'taught', id: number): Promise<Evidence | null> {
  const { pipeline, pixels } = await prepared(task);
  const { model } = pipeline;
  const [features, logits] = await values(model, pixels, ['conv_1x1', 'classifier']);
  const weights = model.state_dict().get('classifier.weight');
  if (weights?.type !== 'float32' || logits.dims.length !== 2) return null;
  const [, channels, height, width] = features.dims;
  const places = height * width;
  const all = Array.from({ length: channels }, (_, c) => {
    let sum = 0;
    for (let at = c * places; at < (c + 1) * places; at++) sum += features.data[at];
    const [mean, weight] = [sum / places, Number(weights.data[id * channels + c])];
    return { channel: c, mean, weight, product: mean * weight };
  });
  const speakers = [...all].sort((a, b) => b.product - a.product).slice(0, SPEAKERS);
  const bias = Number(model.state_dict().get('classifier.bias')!.data[id]);
  const sum = all.reduce((sum, { product }) => sum + product, bias);
  const rest = sum - bias - speakers.reduce((sum, { product }) => sum + product, 0);
  const sheet = new OffscreenCanvas(SPEAKERS * TILE, TILE);
  const context = sheet.getContext('2d')!;
  const bright = brightOf(features.data);
  for (const [n, { channel }] of speakers.entries()) drawMap(context, features, channel, bright, [n * TILE, 0, TILE]);
  const network = logits.data[id];
  return {
    speakers,
    others: channels - speakers.length,
    rest,
    bias,
    sum,
    network,
    sheet: sheet.transferToImageBitmap(),
  };
}
