/** The worker's end: it owns the pictures and the network, and does one thing after the other. */
import { expected, MobileNetError } from '../../base/errors.js';
import { checkOptions } from '../../base/options.js';
import { MobileNetV2ForImageClassification } from '../../models/mobilenet-v2/image-classification.js';
import { MobileNetV2ImageProcessor } from '../../processors/image-processor.js';
import type { LogEntry, TrainerCallback } from '../callbacks.js';
import { folderStore } from '../checkpoints.js';
import type { ImageFolder } from '../data/image-folder.js';
import { ConfusionMatrix, classificationMetrics, predictedClasses } from '../metrics.js';
import { Trainer } from '../trainer.js';
import { packModel } from './pack.js';
import { named, PagePictures } from './pictures.js';
import type { PageProgress, PageTrainingOptions, PageTrainingResult, Port, Request, Response } from './protocol.js';

/** Milliseconds between two reports: the page shows them to people, and its thread has other things to do. */
const REPORT_MS = 100;
const NAMES = ['model', 'saveTo', 'args', 'resume', 'testShare', 'augmentation', 'memoryBytes', 'threads', 'hub'];

type Tell = (progress: Partial<PageProgress>, always?: boolean) => void;

/** Answers the `PageTraining` of a page: all that the file of a worker has to call. */
export function serveTraining(port: Port = globalThis as unknown as Port): void {
  const pictures = new PagePictures();
  const stops = new Map<number, AbortController>();
  let last: Promise<unknown> = Promise.resolve();
  port.addEventListener('message', ({ data }: MessageEvent<Request>) => {
    if (data.call === 'stop') {
      stops.get(data.id)?.abort();
      return;
    }
    const stop = new AbortController();
    stops.set(data.id, stop);
    last = last.then(async () => {
      const post = (response: DistributiveOmit<Response>) => port.postMessage({ id: data.id, ...response });
      try {
        post({ result: await answer(data, pictures, stop.signal, (progress) => post({ progress })) });
      } catch (error) {
        post(stop.signal.aborted && error === stop.signal.reason ? { stopped: true } : { error: plain(error) });
      } finally {
        stops.delete(data.id);
      }
    });
  });
}

type DistributiveOmit<T> = T extends unknown ? Omit<T, 'id'> : never;

const plain = (error: unknown): { code?: string; message: string } => ({
  ...(error instanceof MobileNetError && { code: error.code }),
  message: error instanceof Error ? error.message : String(error),
});

async function answer(
  request: Exclude<Request, { call: 'stop' }>,
  pictures: PagePictures,
  signal: AbortSignal,
  post: (progress: PageProgress) => void,
): Promise<unknown> {
  if (request.call === 'add') return pictures.add(request.label, request.picture, request.name, request.recording);
  if (request.call === 'clear') return pictures.clear();
  if (request.call === 'pack') return packModel(request.model, signal);
  return train(request.options, pictures, signal, reporter(post));
}

/** Sends what has changed, not too often. */
function reporter(post: (progress: PageProgress) => void): Tell {
  let progress: PageProgress = { phase: 'pictures', done: 0, total: 0, picturesPerSecond: 0, logs: {}, lines: [] };
  let sent = Number.NEGATIVE_INFINITY;
  return (change, always = false) => {
    progress = { ...progress, ...change, lines: [...progress.lines, ...(change.lines ?? [])] };
    if (!always && performance.now() - sent < REPORT_MS) return;
    sent = performance.now();
    post(progress);
    progress.lines = [];
  };
}

async function train(
  options: PageTrainingOptions,
  pictures: PagePictures,
  signal: AbortSignal,
  tell: Tell,
): Promise<PageTrainingResult> {
  checkOptions(options, NAMES, 'train');
  const { model: where, saveTo, hub = {}, threads = 'auto', resume = false, args = {} } = options;
  if (typeof saveTo !== 'string' || saveTo === '') throw expected('saveTo', 'a name', saveTo);
  const labels = pictures.labels();
  const processor = await MobileNetV2ImageProcessor.from_pretrained(where, hub);
  const folder = await open(options, pictures, processor, { signal, tell });
  const id2label = Object.fromEntries(labels.map((label, i) => [i, label]));
  const how = { ...hub, id2label, ignore_mismatched_sizes: true, threads, signal };
  const model = await MobileNetV2ForImageClassification.from_pretrained(where, how);
  try {
    const output_dir = `${saveTo}/training`;
    if (!resume) await removeCheckpoints(output_dir);
    const isHead = (args.train ?? 'head') === 'head';
    const total = folder.train.length;
    let seen = 0;
    const began = performance.now();
    const onItem = () => {
      seen++;
      const picturesPerSecond = (seen / (performance.now() - began)) * 1000;
      if (isHead && seen <= total) tell({ phase: 'features', done: seen, total, picturesPerSecond });
    };
    let matrix: ConfusionMatrix | undefined;
    const tests = folder.test.length > 0;
    const trainer = new Trainer({
      model,
      args: {
        train: 'head',
        save_total_limit: 1,
        logging_steps: 10,
        ...args,
        ...(!tests && { eval_strategy: 'no' }),
        output_dir,
      },
      train_dataset: named(folder.train, labels, onItem),
      processing_class: processor,
      compute_metrics(prediction) {
        matrix = new ConfusionMatrix(labels.length).add(prediction.label_ids.data, predictedClasses(prediction));
        return classificationMetrics(prediction);
      },
      callbacks: [reports(tell)],
      ...(tests && { eval_dataset: named(folder.test, labels, () => {}) }),
    });
    const { global_step, training_loss } = await trainer
      .train({ signal, resume_from_checkpoint: resume })
      .finally(() => tell({}, true));
    const metrics: LogEntry = trainer.eval_dataset === undefined ? {} : await trainer.evaluate();
    await trainer.save_model(saveTo);
    await removeCheckpoints(output_dir);
    const { problems, nearDuplicates } = folder;
    const confusion = matrix === undefined ? [] : rowsOf(matrix);
    return {
      model: `opfs:${saveTo}`,
      id2label,
      global_step,
      training_loss,
      metrics,
      confusion,
      problems,
      nearDuplicates,
    };
  } finally {
    model.dispose();
  }
}

const rowsOf = ({ classes, counts }: ConfusionMatrix): number[][] =>
  Array.from({ length: classes }, (_, row) => Array.from(counts.subarray(row * classes, (row + 1) * classes)));

function open(
  { args = {}, augmentation, testShare, memoryBytes }: PageTrainingOptions,
  pictures: PagePictures,
  processor: MobileNetV2ImageProcessor,
  { signal, tell }: { signal: AbortSignal; tell: Tell },
): Promise<ImageFolder> {
  const changes = augmentation === undefined && (args.train ?? 'head') === 'head' ? null : augmentation;
  return pictures.open(processor, {
    ...(changes !== undefined && { augmentation: changes }),
    ...(testShare !== undefined && { testShare }),
    ...(memoryBytes !== undefined && { memoryBytes }),
    ...(args.seed !== undefined && { seed: args.seed }),
    signal,
    progress_callback: (progress) => tell({ phase: 'pictures', done: progress.pictures, total: progress.total }),
  });
}

/** Of steps: what the log says, and how fast it is since the first. */
function reports(tell: Tell): TrainerCallback {
  let [began, first] = [0, 0];
  return {
    on_train_begin(_args, { global_step, max_steps }) {
      [began, first] = [performance.now(), global_step];
      tell({ phase: 'steps', done: global_step, total: max_steps }, true);
    },
    on_step_end({ per_device_train_batch_size, gradient_accumulation_steps }, { global_step, max_steps }) {
      const pictures = (global_step - first) * per_device_train_batch_size * gradient_accumulation_steps;
      const picturesPerSecond = (pictures / (performance.now() - began)) * 1000;
      tell({ phase: 'steps', done: global_step, total: max_steps, picturesPerSecond });
    },
    on_log(_args, { global_step, max_steps }, _control, { logs }) {
      tell({
        phase: 'steps',
        done: global_step,
        total: max_steps,
        logs: { ...logs },
        lines: [{ ...logs, step: global_step }],
      });
    },
  };
}

/** Those of a training that is over or was given up: a later one would go on from them. */
async function removeCheckpoints(folder: string): Promise<void> {
  const store = await folderStore();
  for (const name of await store.list(folder)) await store.remove(`${folder}/${name}`);
}
