/** `mobilenet-v2 classify`: labels and scores. */
import type { Command } from 'commander';
import { type ClassificationResult, pipeline } from '../node.js';
import { runJob, together } from './batches.js';
import { warnOfRandomWeights } from './checkpoint.js';
import { LookAhead } from './look-ahead.js';
import {
  addCommonOptions,
  batchSizeOption,
  examples,
  modelOption,
  type PictureFlags,
  SHIPPED_CLASSIFIER,
  wholeNumber,
} from './options.js';
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
    .addOption(modelOption(`folder of the model (default: ${SHIPPED_CLASSIFIER})`))
    .option('--top-k <n>', 'labels for each picture', wholeNumber(1, 1_000_000), 5)
    .addOption(batchSizeOption())
    .action((inputs: string[], flags: ClassifyFlags) => classify(inputs, flags, session));
  addCommonOptions(command);
  examples(command, [
    'classify dog.jpg',
    'classify photos --top-k 1',
    "classify 'photos/**/*.png' --model mobilenet_v2_1.0_224 --json > labels.json",
    'classify - < dog.jpg',
  ]);
}

async function classify(inputs: string[], flags: ClassifyFlags, session: Session): Promise<void> {
  const pictures = await inputPictures('classify', inputs, flags);
  const { batchSize, topK: top_k, device, threads, memory } = flags;
  const lookAhead = new LookAhead(pictures, threads);
  const classifier = await session.unlessStopped(
    pipeline('image-classification', flags.model, { device, threads, memory }),
  );
  warnOfRandomWeights(classifier.model);
  lookAhead.configure({ processor: classifier.processor, options: {}, keepImage: false });
  await runJob({
    pictures,
    lookAhead,
    batchSize,
    flags,
    session,
    work: (batch, prepared) =>
      together(batch, prepared, async (pixel_values, group) => {
        const labels = await classifier.classify(pixel_values, { top_k });
        return labels.map((own, n) => ({ record: { labels: own }, text: describe(group[n].file, own) }));
      }),
  });
}

function describe(file: string, labels: readonly ClassificationResult[]): string {
  return [printable(file), ...labels.map(({ label, score }) => `  ${percent(score)}  ${printable(label)}`)].join('\n');
}
