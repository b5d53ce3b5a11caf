/** A network on pictures it was not trained with: all that a report says, counted batch by batch. */
import { yieldToEvents } from '../base/abort.js';
import { expected } from '../base/errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { inOrder, loadBatch } from './batches.js';
import { checkClasses, checkDataset, checkModel } from './checks.js';
import type { TrainingDataset } from './dataset.js';
import { ConfusionMatrix, predictedClasses, topKAccuracy } from './metrics.js';
import type { TrainableModel } from './trainer.js';

/** A picture that was taken for another class, or whose pixels were. */
export interface Mistake {
  /** Which picture of the dataset. */
  index: number;
  /** How wrong it is: how sure the network was of the wrong class, or the share of pixels that are wrong. */
  wrong: number;
  /** Classes, where a picture has one. */
  actual?: number;
  predicted?: number;
}

/** How good a network is, and where it is wrong. */
export interface Assessment {
  matrix: ConfusionMatrix;
  /** Whether pixels were counted, and not pictures. */
  pixels: boolean;
  pictures: number;
  /** Share of pictures whose class is among the five likeliest; not there where there are few classes. */
  topFive?: number;
  /** The worst first. */
  mistakes: Mistake[];
  seconds: number;
}

/** How it is assessed. */
export interface AssessOptions {
  /** Pictures computed together. Default 8. */
  batchSize?: number;
  signal?: AbortSignal | undefined;
  /** Called after each batch. */
  progress_callback?: ((progress: { pictures: number; total: number }) => void) | undefined;
}

const MOST_MISTAKES = 24;
/** Among five of few classes the right one is nearly always. */
const MANY_CLASSES = 10;

/** @throws MobileNetError ARG for a dataset that is not for this model, or has no pictures */
export async function assess(
  model: TrainableModel,
  dataset: TrainingDataset,
  { batchSize = 8, signal, progress_callback }: AssessOptions = {},
): Promise<Assessment> {
  checkModel(model);
  checkDataset('dataset', dataset);
  checkClasses(model, dataset);
  const total = dataset.length;
  if (total === 0) throw expected('dataset', 'pictures', 'none');
  const start = performance.now();
  const matrix = new ConfusionMatrix(model.config.num_labels);
  const mistakes: Mistake[] = [];
  let among = 0;
  let pixels = false;
  for (const pictures of inOrder(total, batchSize)) {
    if (signal !== undefined) await yieldToEvents(signal);
    const from = pictures[0];
    const { pixel_values, labels } = await loadBatch(dataset, pictures, () => null);
    const { logits } = await model.forward({ pixel_values, signal });
    const prediction = { predictions: logits, label_ids: labels };
    const classes = predictedClasses(prediction);
    matrix.add(labels.data, classes);
    pixels = labels.dims.length > 1;
    if (!pixels) among += topKAccuracy(prediction, 5) * pictures.length;
    mistakes.push(...(pixels ? wrongMaps(labels, classes, from) : wrongPictures(logits, labels, classes, from)));
    mistakes.sort((a, b) => b.wrong - a.wrong).splice(MOST_MISTAKES);
    progress_callback?.({ pictures: from + pictures.length, total });
  }
  return {
    ...{ matrix, pixels, pictures: total, mistakes },
    ...(!pixels && matrix.classes > MANY_CLASSES && { topFive: among / total }),
    seconds: (performance.now() - start) / 1000,
  };
}

function wrongPictures(logits: Tensor, labels: Tensor<'int32'>, classes: Int32Array, from: number): Mistake[] {
  const shares = logits.softmax(-1).data;
  const count = logits.dims[1]!;
  const wrong: Mistake[] = [];
  for (const [i, predicted] of classes.entries()) {
    const actual = labels.data[i]!;
    if (predicted === actual) continue;
    wrong.push({ index: from + i, wrong: shares[i * count + predicted]!, actual, predicted });
  }
  return wrong;
}

function wrongMaps(labels: Tensor<'int32'>, classes: Int32Array, from: number): Mistake[] {
  const [pictures, height, width] = labels.dims as [number, number, number];
  const size = height * width;
  return Array.from({ length: pictures }, (_, i) => {
    let [known, wrong] = [0, 0];
    for (let at = i * size; at < (i + 1) * size; at++) {
      if (labels.data[at] === 255) continue;
      known++;
      if (labels.data[at] !== classes[at]) wrong++;
    }
    return { index: from + i, wrong: known === 0 ? 0 : wrong / known };
  }).filter(({ wrong }) => wrong > 0);
}
