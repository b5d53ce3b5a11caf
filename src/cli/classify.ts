/** `mobilenet-v2 classify`: labels and scores. */
import { mkdirSync, statSync } from 'node:fs';
import { dirname, extname } from 'node:path';
import type { Command } from 'commander';
import {
  type ClassificationResult,
  type ImageClassificationPipeline,
  pipeline,
  type RawImage,
} from '../entries/main-node.js';
import { labelsOf } from '../pipeline.js';
import { outputsOf, runJob } from './batches.js';
import { loadOptions } from './checkpoint.js';
import { withDownloads } from './downloads.js';
import { UsageError } from './errors.js';
import { refuseInput } from './inputs.js';
import { LookAhead, type Outcome, outcomeOf } from './look-ahead.js';
import {
  addCommonOptions,
  batchSizeOption,
  examples,
  formatOf,
  modelOption,
  outputPath,
  type PictureFlags,
  SHIPPED_MODEL,
  thresholdOption,
  topKOption,
} from './options.js';
import type { Result } from './output.js';
import { encodePicture, isPictureName, WRITTEN_EXTENSIONS } from './picture-file.js';
import { inputPictures, type Picture, picturesArgument } from './pictures.js';
import { resultPaths } from './result-paths.js';
import type { Session } from './session.js';
import { writeWhole } from './temporary-file.js';
import { percent, printable } from './text.js';

interface ClassifyFlags extends PictureFlags {
  topK?: number;
  threshold?: number;
  batchSize: number;
  explain?: string;
  label?: string;
}

export function addClassify(program: Command, session: Session): void {
  const command = program
    .command('classify')
    .description('Name what pictures show.')
    .addArgument(picturesArgument())
    .addOption(modelOption(`folder or hub name (default: ${SHIPPED_MODEL})`))
    .addOption(topKOption('labels a picture (default: 5; 1 with --format lines)'))
    .addOption(thresholdOption('leave out labels with a lower score'))
    .addOption(batchSizeOption())
    .option(
      '--explain <file|dir>',
      `show in colour what speaks for the label: writes ${WRITTEN_EXTENSIONS.join(', ')}, or into a folder`,
      outputPath,
    )
    .option('--label <name|number>', 'class that --explain is about (default: the best)')
    .action((inputs: string[], flags: ClassifyFlags) => classify(inputs, flags, session));
  addCommonOptions(command);
  examples(command, [
    'classify dog.jpg',
    'classify photos --top-k 1 --threshold 50%',
    "classify 'photos/**/*.png' --format csv > labels.csv",
    'find . -name "*.jpg" -print0 | mobilenet-v2 classify --files-from - -f lines',
    'classify - < dog.jpg',
    'classify dog.jpg --explain why.jpg',
    "classify photos --explain why --label 'Egyptian cat'",
    'classify cat.jpg --model google/mobilenet_v2_1.4_224 --json',
  ]);
}

async function classify(inputs: string[], flags: ClassifyFlags, session: Session): Promise<void> {
  const found = await inputPictures('classify', inputs, flags);
  const why = explanationPaths(found, flags);
  const pictures = found.filter((picture) => !why?.own.has(picture));
  const { batchSize, threads, threshold = -Infinity } = flags;
  const top_k = flags.topK ?? (formatOf(flags) === 'lines' ? 1 : 5);
  const lookAhead = new LookAhead(pictures, threads);
  for (const path of why?.paths.values() ?? []) refuseInput(path);
  const classifier = await withDownloads(flags, session, (hub) =>
    pipeline('image-classification', flags.model, { ...hub, ...loadOptions(flags) }),
  );
  const { model, processor } = classifier;
  const architecture = 'MobileNetV2ForImageClassification';
  const network = { architecture, model, options: loadOptions(flags), output: 'logits' } as const;
  lookAhead.configure({ processor, options: {}, keepImage: why !== null }, network);
  await runJob({
    pictures,
    lookAhead,
    batchSize,
    flags,
    session,
    columns: ['rank', 'label', 'score'],
    async work(batch, prepared) {
      const outputs = await outputsOf(prepared, async (pixel_values) => (await model({ pixel_values })).logits);
      const outcomes = outputs.map((outcome, n): Outcome<Result> => {
        if ('error' in outcome) return outcome;
        const [labels] = labelsOf(outcome.value, model.config, { top_k });
        const likely = labels.filter(({ score }) => score >= threshold);
        return { value: describe(batch[n].file, likely, threshold) };
      });
      for (const [n, outcome] of why === null ? [] : outcomes.entries()) {
        const own = prepared[n];
        if ('error' in outcome || 'error' in own) continue;
        const path = why!.paths.get(batch[n])!;
        outcomes[n] = await outcomeOf(explain(classifier, own.value.image!, path, outcome.value, flags));
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
  if (!isPictureName(explain)) {
    checkFolderName(explain);
    const { paths, own } = resultPaths(pictures, explain, ['why']);
    return { paths: new Map([...paths].map(([picture, { why }]) => [picture, why])), own };
  }
  if (pictures.length === 1) return { paths: new Map([[pictures[0], explain]]), own: new Set<Picture>() };
  throw new UsageError(`--explain: ${pictures.length} pictures do not fit into ${explain}; name a folder`);
}

/** `why.gif` is meant to be a picture, and a folder of that name helps nobody. */
function checkFolderName(path: string): void {
  if (extname(path) === '' || /[\\/]$/.test(path)) return;
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  const known = WRITTEN_EXTENSIONS.join(', ');
  throw new UsageError(`--explain: ${path} ends in none of ${known}; write ${path}/ if it is to be a folder`);
}

async function explain(
  classifier: ImageClassificationPipeline,
  image: RawImage,
  path: string,
  { record, text, rows, line }: Result,
  { label: wanted }: ClassifyFlags,
): Promise<Result> {
  const explanation = await classifier.explain(image, wanted && /^\d+$/.test(wanted) ? Number(wanted) : wanted);
  mkdirSync(dirname(path), { recursive: true });
  writeWhole(path, await encodePicture(explanation.overlay(), path));
  const { label, score, map } = explanation;
  return {
    record: { ...record, explanation: { label, score, map: map.tolist(), overlay: path } },
    text: `${text}\n  why ${printable(label)} → ${printable(path)}`,
    rows,
    line,
  };
}

function describe(file: string, labels: readonly ClassificationResult[], threshold: number): Result {
  const lines = labels.map(({ label, score }) => `  ${percent(score)}  ${printable(label)}`);
  if (lines.length === 0) lines.push(`  no label scores ${percent(threshold).trim()} or more`);
  return {
    record: { labels },
    text: [printable(file), ...lines].join('\n'),
    rows: labels.map(({ label, score }, n) => [n + 1, label, score]),
    line: labels.flatMap(({ label, score }) => [label, score]),
  };
}
