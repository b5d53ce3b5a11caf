/** The worker's answers: what a picture shows, and where. */
import type { MobileNetV2Config, RawImage } from 'mobilenet-v2';
import { legend, matmul, Tensor } from 'mobilenet-v2';
import { glow } from './glow.js';
import { type Classifier, labelOf, prepared } from './models.js';
import type { Label, LookOptions, What, Where } from './protocol.js';
import { classesOf, type Likely, likelyClasses, paintRegions } from './regions.js';

/** Longest edge of a picture whose pixels are counted. */
const COUNTED_EDGE = 1024;

/** The size of colors over a picture. */
function coverSize({ width, height }: RawImage, edge: number): { width: number; height: number } {
  const scale = Math.min(1, edge / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

export async function what(
  wanted: number | null,
  { edge }: LookOptions,
  task: 'what' | 'taught' = 'what',
): Promise<What> {
  const { pipeline, picture, pixels, prepareMs } = await prepared(task);
  const began = performance.now();
  const outputs = await pipeline.model.activations(pixels, ['logits', 'last_hidden_state']);
  const networkMs = performance.now() - began;
  const { config } = pipeline.model;
  const all = scored(outputs.get('logits')!, config);
  const labels = [...all].sort((a, b) => b.score - a.score || a.id - b.id).slice(0, 5);
  const explained = (wanted === null ? undefined : all[wanted]) ?? labels[0];
  const image = await glowOf(pipeline, outputs.get('last_hidden_state')!, pixels, explained.id, picture, edge);
  return { labels, explained, glow: image && (await createImageBitmap(image)), prepareMs, networkMs };
}

/** As the pipeline scores: softmax, or what the model's `problem_type` says. */
function scored(logits: Tensor<'float32'>, config: MobileNetV2Config): Label[] {
  const { problem_type, num_labels } = config;
  let scores: ArrayLike<number> = logits.softmax(1).data;
  if (problem_type === 'regression') scores = logits.data;
  else if (problem_type === 'multi_label_classification' || num_labels === 1) {
    scores = logits.sigmoid().data;
  }
  return Array.from(scores, (score, id) => ({ id, label: labelOf(config, id), score }));
}

/** The class-activation map of a class, as light; null where the classifier's weights are not real numbers. */
async function glowOf(
  { model, processor }: Classifier,
  features: Tensor<'float32'>,
  pixels: Tensor<'float32'>,
  id: number,
  picture: RawImage,
  edge: number,
): Promise<ImageData | null> {
  const weights = model.state_dict().get('classifier.weight');
  const [, channels, rows, columns] = features.dims;
  const layer = model.layers(pixels.dims as [number, number, number, number]).find(({ name }) => name === 'conv_1x1');
  const field = layer?.receptiveField;
  if (weights?.type !== 'float32' || !field) return null;
  const row = (weights as Tensor<'float32'>).data.subarray(id * channels, (id + 1) * channels);
  // What each place says for the class: the class's row of the classifier, over all channels.
  const places = features.view(channels, rows * columns);
  const { data: map } = await matmul(new Tensor('float32', row, [1, channels]), places);
  const { resized, window, at } = processor.geometry(picture.height, picture.width);
  const frame = {
    left: window.left / resized.width,
    top: window.top / resized.height,
    width: window.width / resized.width,
    height: window.height / resized.height,
  };
  // Laid over the middles of what the values see, which TensorFlow's padding moves off the middles of a grid.
  const axis = (start: number, stride: number, margin: number, extent: number) => ({
    start: (start + 0.5 - margin) / extent,
    stride: stride / extent,
  });
  const axes = {
    across: axis(field.width.start, field.width.stride, at.left, window.width),
    down: axis(field.height.start, field.height.stride, at.top, window.height),
  };
  return glow(map, columns, frame, axes, coverSize(picture, edge));
}

/** Of the last `where`. */
let painted: { likely: Likely; background: number | null } | undefined;

export async function where({ edge }: LookOptions): Promise<Where> {
  const { pipeline, picture, pixels, prepareMs } = await prepared('where');
  const began = performance.now();
  const { logits } = await pipeline.model({ pixel_values: pixels });
  const networkMs = performance.now() - began;
  const labels = pipeline.model.config.id2label;
  // Of a picture that is not large, shares are those of its own pixels, as the pipeline counts them.
  const counted = coverSize(picture, COUNTED_EDGE);
  const [map] = pipeline.processor.post_process_semantic_segmentation({ logits }, [[counted.height, counted.width]]);
  const regions = legend(map, { labels });
  const likely = likelyClasses(logits, coverSize(picture, edge));
  const background = Object.values(labels)[0] === 'background' ? 0 : null;
  painted = { likely, background };
  const colors = await createImageBitmap(paintRegions(likely, background, null));
  return { regions, colors, classes: classesOf(likely), prepareMs, networkMs };
}

export async function highlight(id: number | null): Promise<{ colors: ImageBitmap }> {
  if (painted === undefined) throw new Error('There is no picture yet.');
  return { colors: await createImageBitmap(paintRegions(painted.likely, painted.background, id)) };
}
