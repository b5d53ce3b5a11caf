/** `mobilenet-v2 classify`: labels and scores. */
import type { Command } from 'commander';
import { type ClassificationResult, pipeline } from '../node.js';
import { runJob, together } from './batches.js';
import { warnOfRandomWeights } from './checkpoint.js';
import { addCommonOptions, batchSizeOption, examples, modelOption, type PictureFlags, wholeNumber } from './options.js';
import { inputPictures, picturesArgument } from './pictures.js';
import type { Session } from './session.js';
import { percent, printable } from './text.js';

interface ClassifyFlags extends PictureFlags {
  topK: number;
  batchSize: number;
}

export function addClassify(program: Command, session: Session): void {
  const command = program
    .command('classify')
    .description('Name what pictures show.')
    .addArgument(picturesArgument())
    .addOption(modelOption('folder of the model (default: the one that ships with this program)'))
    .option('--top-k <n>', 'labels for each picture', wholeNumber(1, 1_000_000), 5)
    .addOption(batchSizeOption())
    .action((inputs: string[], flags: ClassifyFlags) => classify(inputs, flags, session));
  addCommonOptions(command);
  examples(command, [
    'classify cat.jpg',
    'classify photos --top-k 1',
    "classify 'photos/**/*.png' --model mobilenet_v2_1.0_224 --json > labels.json",
    'classify - < cat.jpg',
  ]);
}

async function classify(inputs: string[], flags: ClassifyFlags, session: Session): Promise<void> {
  const pictures = await inputPictures('classify', inputs, flags);
  const { batchSize, topK: top_k, device } = flags;
  const classifier = await session.unlessStopped(pipeline('image-classification', flags.model, { device }));
  warnOfRandomWeights(classifier.model);
  await runJob({
    pictures,
    batchSize,
    flags,
    session,
    work: (batch) =>
      together(batch, classifier.processor, async (pixel_values, group) => {
        const labels = await classifier.classify(pixel_values, { top_k });
        return labels.map((own, n) => ({ record: { labels: own }, text: describe(group[n].file, own) }));
      }),
  });
}

function describe(file: string, labels: readonly ClassificationResult[]): string {
  return [printable(file), ...labels.map(({ label, score }) => `  ${percent(score)}  ${printable(label)}`)].join('\n');
}
