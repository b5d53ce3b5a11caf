/** `mobilenet-v2 classify`: labels and scores. */
import { mkdirSync } from 'node:fs';
import { dirname, extname } from 'node:path';
import type { Command } from 'commander';
import { encodePng } from '../node/png.js';
import { type ClassificationResult, type ImageClassificationPipeline, pipeline, type RawImage } from '../node.js';
import { runJob, together } from './batches.js';
import { warnOfRandomWeights } from './checkpoint.js';
import { withDownloads } from './downloads.js';
import { UsageError } from './errors.js';
import { LookAhead, type Outcome, settle } from './look-ahead.js';
import {
  addCommonOptions,
  batchSizeOption,
  examples,
  modelOption,
  type PictureFlags,
  SHIPPED_CLASSIFIER,
  wholeNumber,
} from './options.js';
import type { Result } from './output.js';
import { inputPictures, type Picture, picturesArgument } from './pictures.js';
import { resultPaths } from './result-paths.js';
import type { Session } from './session.js';
import { writeWhole } from './temporary-file.js';
import { percent, printable } from './text.js';

interface ClassifyFlags extends PictureFlags {
  topK: number;
  batchSize: number;
  explain?: string;
  label?: string;
}

export function addClassify(program: Command, session: Session): void {
  const command = program
    .command('classify')
    .description('Name what pictures show.')
    .addArgument(picturesArgument())
    .addOption(modelOption(`folder of the model, or its name on the hub (default: ${SHIPPED_CLASSIFIER})`))
    .option('--top-k <n>', 'labels for each picture', wholeNumber(1, 1_000_000), 5)
    .option('--explain <file|dir>', 'write the picture with the places that speak for its label in colour')
    .option('--label <name|number>', 'with --explain: the class to explain (default: the best)')
    .addOption(batchSizeOption())
    .action((inputs: string[], flags: ClassifyFlags) => classify(inputs, flags, session));
  addCommonOptions(command);
  examples(command, [
    'classify dog.jpg',
    'classify photos --top-k 1',
    "classify 'photos/**/*.png' --model google/mobilenet_v2_1.0_224 --json > labels.json",
    'classify - < dog.jpg',
    'classify dog.jpg --explain why.png',
    "classify photos --explain why --label 'Siberian husky'",
  ]);
}

async function classify(inputs: string[], flags: ClassifyFlags, session: Session): Promise<void> {
  const found = await inputPictures('classify', inputs, flags);
  const why = explanationPaths(found, flags);
  const pictures = found.filter((picture) => !why?.own.has(picture));
  const { batchSize, topK: top_k, device, threads, memory } = flags;
  const lookAhead = new LookAhead(pictures, threads);
  const classifier = await withDownloads(flags, session, (hub) =>
    pipeline('image-classification', flags.model, { ...hub, device, threads, memory }),
  );
  warnOfRandomWeights(classifier.model);
  lookAhead.configure({ processor: classifier.processor, options: {}, keepImage: why !== null });
  await runJob({
    pictures,
    lookAhead,
    batchSize,
    flags,
    session,
    async work(batch, prepared) {
      const outcomes: Outcome<Result>[] = await together(batch, prepared, async (pixel_values, group) => {
        const labels = await classifier.classify(pixel_values, { top_k });
        return labels.map((own, n) => ({ record: { labels: own }, text: describe(group[n].file, own) }));
      });
      for (const [n, outcome] of why === null ? [] : outcomes.entries()) {
        const own = prepared[n];
        if ('error' in outcome || 'error' in own) continue;
        const path = why!.paths.get(batch[n])!;
        outcomes[n] = await settle(explain(classifier, own.value.image!, path, outcome.value, flags));
      }
      return outcomes;
    },
    async finish(output) {
      for (const { file } of why?.own ?? []) output.note(`${file}: left out, it is a result of this command`);
    },
  });
}

/** Where explanations go: into the file named, for a single picture, or the folder. Null where none are wanted. */
function explanationPaths(pictures: readonly Picture[], { explain, label }: ClassifyFlags) {
  if (explain === undefined) {
    if (label !== undefined) throw new UsageError('--label says which class --explain is to explain; add --explain');
    return null;
  }
  if (extname(explain).toLowerCase() !== '.png') {
    const { paths, own } = resultPaths(pictures, explain, ['why']);
    return { paths: new Map([...paths].map(([picture, { why }]) => [picture, why])), own };
  }
  if (pictures.length === 1) return { paths: new Map([[pictures[0], explain]]), own: new Set<Picture>() };
  throw new UsageError(`--explain: ${pictures.length} pictures do not fit into ${explain}; name a folder`);
}

async function explain(
  classifier: ImageClassificationPipeline,
  image: RawImage,
  path: string,
  { record, text }: Result,
  { label: wanted }: ClassifyFlags,
): Promise<Result> {
  const explanation = await classifier.explain(image, wanted && /^\d+$/.test(wanted) ? Number(wanted) : wanted);
  mkdirSync(dirname(path), { recursive: true });
  writeWhole(path, await encodePng(explanation.overlay()));
  const { label, score, map } = explanation;
  return {
    record: { ...record, explanation: { label, score, map: map.tolist(), overlay: path } },
    text: `${text}\n  why ${printable(label)} → ${printable(path)}`,
  };
}

function describe(file: string, labels: readonly ClassificationResult[]): string {
  return [printable(file), ...labels.map(({ label, score }) => `  ${percent(score)}  ${printable(label)}`)].join('\n');
}
