/**
 * What a network got right and wrong, for people: rows for a table, and a page that stands alone, with curves, the confusion
 * matrix and the worst mistakes as pictures. Nothing in it is loaded from elsewhere.
 */
import { escapeHtml, htmlPage, htmlTable } from '../base/html.js';
import type { RawImage } from '../images/raw-image.js';
import { overlay } from '../processors/colorize.js';
import { Tensor } from '../tensor/tensor.js';
import type { Assessment, Mistake } from './assess.js';
import { loadBatch } from './batches.js';
import type { LogEntry } from './callbacks.js';
import { type Curve, chart } from './curves.js';
import type { ImageDataset } from './data/image-dataset.js';
import { predictedClasses } from './metrics.js';
import type { TrainableModel } from './trainer.js';

type Labels = Readonly<Record<number, string>>;

const percent = (share: number | null): string => (share === null ? '–' : `${(100 * share).toFixed(1)} %`);

/** Names of figures and what they are. */
export function figuresOf({ matrix, pixels, topFive, pictures }: Assessment): [name: string, value: string][] {
  if (pixels) {
    const { mean_iou, mean_accuracy, overall_accuracy } = matrix.segmentation();
    return [
      ['mean IoU', percent(mean_iou)],
      ['pixels right', percent(overall_accuracy)],
      ['mean of classes', percent(mean_accuracy)],
      ['pictures', String(pictures)],
    ];
  }
  return [
    ['accuracy', `${percent(matrix.accuracy)} (${Math.round(matrix.accuracy * matrix.total)} of ${pictures})`],
    ...(topFive === undefined ? [] : ([['among the first five', percent(topFive)]] as [string, string][])),
    ['mean F1 of classes', percent(matrix.macro().f1)],
  ];
}

/** A table of classes, with its header; of many classes the weakest come first. */
export function classRows({ matrix, pixels }: Assessment, labels: Labels): { header: string[]; rows: string[][] } {
  const scores = matrix.scores().filter(({ iou }) => iou !== null);
  const shown = [...scores].sort((a, b) => (pixels ? a.iou! - b.iou! : a.f1 - b.f1));
  const header = pixels ? ['class', 'IoU', 'found', 'pixels'] : ['class', 'precision', 'recall', 'F1', 'pictures'];
  const rows = shown.map(({ id, iou, precision, recall, f1, support }) => {
    const figures = pixels ? [iou, recall] : [precision, recall, f1];
    return [labels[id] ?? String(id), ...figures.map(percent), support.toLocaleString('en-US')];
  });
  return { header, rows };
}

/** What was taken for what most often. */
export function confusionRows({ matrix }: Assessment, labels: Labels, most = 10): string[][] {
  const all = matrix.scores();
  return matrix
    .confusions(most)
    .map(({ actual, predicted, count }) => [
      labels[actual] ?? String(actual),
      labels[predicted] ?? String(predicted),
      count.toLocaleString('en-US'),
      percent(count / all[actual]!.support),
    ]);
}

/** A mistake that can be looked at. */
export interface ShownMistake {
  file: string;
  /** What it is and was taken for, and how sure the network was. */
  text: string;
  /** As data: URLs. */
  pictures: readonly { title: string; url: string }[];
}

/** Pixels of the longest side of a picture. */
const SHOWN_SIDE = 160;

/** The pictures of mistakes; of a segmenter with its classes laid over, as they are and as it sees them. */
export async function showMistakes(
  model: TrainableModel,
  dataset: ImageDataset,
  { mistakes }: Pick<Assessment, 'mistakes'>,
): Promise<ShownMistake[]> {
  const shown: ShownMistake[] = [];
  for (const mistake of mistakes) {
    const { index, actual, predicted, wrong } = mistake;
    const file = dataset.file(index);
    if (actual === undefined) {
      shown.push({
        file,
        text: `${percent(wrong)} of the pixels are wrong`,
        pictures: await overlays(model, dataset, mistake),
      });
      continue;
    }
    const { id2label } = model.config;
    const text = `${id2label[actual]} taken for ${id2label[predicted!]} (${percent(wrong)} sure)`;
    shown.push({ file, text, pictures: [{ title: '', url: await dataUrl(await dataset.picture(index, SHOWN_SIDE)) }] });
  }
  return shown;
}

async function overlays(
  model: TrainableModel,
  dataset: ImageDataset,
  { index }: Mistake,
): Promise<ShownMistake['pictures']> {
  const { pixel_values, labels } = await loadBatch(dataset, Int32Array.of(index), () => null);
  const { logits } = await model.forward({ pixel_values });
  const classes = predictedClasses({ predictions: logits, label_ids: labels });
  const [, height, width] = dataset.dims;
  const image = (await dataset.seen(index)).rgb();
  const over = async (title: string, ids: Int32Array) => {
    const map = new Tensor(
      'int32',
      ids.map((id) => (id === 255 ? -1 : id)),
      [height, width],
    );
    const laid = overlay(image, map, { labels: model.config.id2label });
    const scale = Math.min(1, SHOWN_SIDE / Math.max(height, width));
    return { title, url: await dataUrl(await laid.resize(Math.round(width * scale), Math.round(height * scale))) };
  };
  return [await over('as it is', labels.data), await over('as it was seen', classes)];
}

async function dataUrl(image: RawImage): Promise<string> {
  const bytes = new Uint8Array(await (await image.rgb().toBlob('image/jpeg', 0.85)).arrayBuffer());
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return `data:image/jpeg;base64,${btoa(text)}`;
}

/** What a report is made of. */
export interface Report {
  title: string;
  /** Lines below the title. */
  remarks: readonly string[];
  assessment: Assessment;
  labels: Labels;
  mistakes: readonly ShownMistake[];
  /** Of a training: `log_history`. */
  history?: readonly LogEntry[];
}

/** The page. */
export function reportPage({ title, remarks, assessment, labels, mistakes, history = [] }: Report): string {
  const { header, rows } = classRows(assessment, labels);
  const confused = confusionRows(assessment, labels, 20);
  const figures = figuresOf(assessment).map(
    ([name, value]) => `<div><b>${escapeHtml(value)}</b><span>${escapeHtml(name)}</span></div>`,
  );
  const sections = [
    `<h1>${escapeHtml(title)}</h1>`,
    ...remarks.map((remark) => `<p class="soft">${escapeHtml(remark)}</p>`),
    `<div class="figures">${figures.join('')}</div>`,
    ...curveSections(history),
    `<h2>Classes</h2><p class="soft">The weakest first.</p>${htmlTable(header, rows)}`,
    ...(matrixFits(assessment) ? [matrixSection(assessment, labels)] : []),
    ...(confused.length === 0
      ? []
      : [`<h2>Confused most often</h2>${htmlTable(['is', 'taken for', 'times', 'of its class'], confused, [0, 1])}`]),
    ...(mistakes.length === 0
      ? []
      : [`<h2>Worst mistakes</h2><div class="mistakes">${mistakes.map(figure).join('')}</div>`]),
  ];
  return htmlPage({ title, style: STYLE, body: sections.join('\n') });
}

const STYLE = `
.figures { display: flex; flex-wrap: wrap; gap: 2rem; margin: 1rem 0 }
.figures b { display: block; font-size: 1.3rem; font-weight: 600 }
.figures span { color: var(--soft) }
.charts { display: flex; flex-wrap: wrap; gap: 1.5rem }
.charts svg { flex: 1 1 22rem; max-width: 34rem; min-width: 0; height: auto; font: 11px system-ui, sans-serif }
.charts text { fill: var(--soft) }
.matrix th { max-width: 8rem; overflow: hidden; text-overflow: ellipsis }
.matrix td { text-align: center; min-width: 2.2rem; padding: .15rem .3rem }
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, max-content)); gap: 1rem; margin-top: .5rem }
.mistakes figure { margin: 0; max-width: 22rem }
.mistakes img { display: inline-block; width: 8rem; vertical-align: top; border-radius: 4px; margin-right: .25rem }
.mistakes figcaption { font-size: .8rem; overflow-wrap: anywhere }
.mistakes figcaption b { display: block; color: var(--ink); font-weight: 500 }
`;

function figure({ file, text, pictures }: ShownMistake): string {
  const images = pictures.map(({ title, url }) => {
    const said = escapeHtml(title || text);
    return `<img src="${escapeHtml(url)}" alt="${said}" title="${said}">`;
  });
  return `<figure>${images.join('')}<figcaption><b>${escapeHtml(text)}</b>${escapeHtml(file)}</figcaption></figure>`;
}

/** A larger one is no longer read. */
const LARGEST_MATRIX = 40;
const matrixFits = ({ matrix }: Assessment): boolean => matrix.classes > 1 && matrix.classes <= LARGEST_MATRIX;

function matrixSection({ matrix, pixels }: Assessment, labels: Labels): string {
  const { classes, counts } = matrix;
  const ids = Array.from({ length: classes }, (_, id) => id);
  const name = (id: number) => escapeHtml(labels[id] ?? String(id));
  const rows = ids.map((actual) => {
    const own = counts.subarray(actual * classes, (actual + 1) * classes);
    const sum = own.reduce((total, count) => total + count, 0);
    const cells = ids.map((predicted) => cell(own[predicted]!, sum, actual === predicted, pixels));
    return `<tr><th class="text" title="${name(actual)}">${name(actual)}</th>${cells.join('')}</tr>`;
  });
  const head = ids.map((id) => `<th title="${name(id)}">${name(id)}</th>`).join('');
  const what = pixels ? 'Percent of the pixels of each class' : 'Pictures';
  return `<h2>Confusion matrix</h2><p class="soft">${what}: rows are what is, columns what it was taken for.</p>
<div class="scroll"><table class="matrix"><tr><th></th>${head}</tr>${rows.join('\n')}</table></div>`;
}

function cell(count: number, sum: number, right: boolean, pixels: boolean): string {
  if (count === 0) return '<td></td>';
  const share = count / sum;
  const text = pixels ? (100 * share).toFixed(share < 0.1 ? 1 : 0) : String(count);
  const tint = Math.max(8, Math.round(share * 80));
  return `<td style="background:color-mix(in srgb, var(--${right ? 'blue' : 'orange'}) ${tint}%, transparent)">${text}</td>`;
}

/** What an evaluation may log, and how it is called. */
const QUALITY = { eval_accuracy: 'accuracy', eval_mean_iou: 'mean IoU' } as const;

function curveSections(history: readonly LogEntry[]): string[] {
  const points = (name: string) =>
    history.flatMap((entry): [number, number][] => {
      const [x, y] = [entry.epoch, entry[name]];
      return x === undefined || y === undefined || !Number.isFinite(y) ? [] : [[x, y]];
    });
  const losses: Curve[] = [
    { name: 'training', colour: 'blue', points: points('loss') },
    { name: 'evaluation', colour: 'orange', points: points('eval_loss') },
  ];
  const charts = [chart('Loss', losses)];
  for (const [key, name] of Object.entries(QUALITY)) {
    charts.push(chart(`Evaluation: ${name}`, [{ name, colour: 'green', points: points(key) }], 1));
  }
  const drawn = charts.filter((each) => each !== '');
  return drawn.length === 0 ? [] : [`<h2>Training</h2><div class="charts">${drawn.join('')}</div>`];
}
