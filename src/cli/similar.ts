/** `mobilenet-v2 similar`: the pictures that look most like a given one, by the cosine of their features. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { dot, MobileNetError, magnitude, pipeline } from '../entries/main-node.js';
import { outputsOf, runJob } from './batches.js';
import { loadOptions } from './checkpoint.js';
import { withDownloads } from './downloads.js';
import { UsageError } from './errors.js';
import { readFeatures } from './feature-reader.js';
import { LookAhead } from './look-ahead.js';
import {
  addCommonOptions,
  batchSizeOption,
  examples,
  modelOption,
  type PictureFlags,
  SHIPPED_MODEL,
  thresholdOption,
  topKOption,
} from './options.js';
import { inputPictures, isUrl, type Picture, picturesArgument } from './pictures.js';
import type { Session } from './session.js';
import { printable } from './text.js';

interface SimilarFlags extends PictureFlags {
  topK: number;
  threshold?: number;
  batchSize: number;
  features?: string;
}

export function addSimilar(program: Command, session: Session): void {
  const command = program
    .command('similar')
    .summary('Find pictures that look alike.')
    .description(
      'Find the pictures that look most like a given one, by the cosine of their features: 1 is the same picture.',
    )
    .argument('<query>', 'picture to compare with: file, URL, or - for stdin')
    .addArgument(picturesArgument('where to look: files, folders, globs in quotes, URLs'))
    .addOption(modelOption(`folder or hub name (default: ${SHIPPED_MODEL})`))
    .addOption(topKOption('pictures to find').default(5))
    .addOption(thresholdOption('leave out pictures that are less similar'))
    .option('--features <file>', 'look in a file that the features command wrote')
    .addOption(batchSizeOption())
    .action((query: string, inputs: string[], flags: SimilarFlags) => similar(query, inputs, flags, session));
  addCommonOptions(command);
  examples(command, [
    'similar cat.jpg photos',
    'similar cat.jpg photos --top-k 20 --threshold 0.8 -f lines',
    'features photos --out photos.safetensors',
    'similar cat.jpg --features photos.safetensors',
  ]);
}

interface Match {
  file: string;
  score: number;
}

async function similar(query: string, inputs: string[], flags: SimilarFlags, session: Session): Promise<void> {
  const { threads, batchSize, topK, threshold = -Infinity } = flags;
  const wanted = await queryPicture(query, inputs);
  const stored = await storedFeatures(inputs, flags);
  const found = stored === null ? await inputPictures('similar', inputs, flags) : [];
  const pictures = [wanted, ...found.filter(({ file }) => !isSame(file, query))];
  const lookAhead = new LookAhead(pictures, threads);
  const extractor = await withDownloads(flags, session, (hub) =>
    pipeline('image-feature-extraction', flags.model, { ...hub, ...loadOptions(flags) }),
  );
  const { model, processor } = extractor;
  const options = loadOptions(flags);
  const network = { architecture: 'MobileNetV2Model', model, options, output: 'pooler_output' } as const;
  lookAhead.configure({ processor, options: {}, keepImage: false }, network);
  let features: Float32Array | undefined;
  const matches: Match[] = [];
  await runJob({
    pictures,
    lookAhead,
    batchSize,
    flags,
    session,
    columns: ['rank', 'score'],
    async work(batch, prepared) {
      const outcomes = await outputsOf(
        prepared,
        async (pixel_values) => (await model({ pixel_values })).pooler_output!,
      );
      return outcomes.map((outcome, n) => {
        if ('error' in outcome) {
          if (features === undefined) throw outcome.error; // without it there is nothing to compare with
          return outcome;
        }
        const own = unit(outcome.value.data);
        if (features === undefined) features = own;
        else matches.push({ file: batch[n].file, score: dot(own, features) });
        return { value: null };
      });
    },
    async finish(output) {
      if (stored !== null) {
        const { files, data, width } = stored;
        if (width !== features!.length) {
          const message = `${flags.features}: rows of ${width} numbers, the model makes ${features!.length}; name the model they are of by --model`;
          throw new MobileNetError('SHAPE', message);
        }
        for (const [row, file] of files.entries()) {
          if (isSame(file, query)) continue;
          matches.push({ file, score: dot(unit(data.subarray(row * width, (row + 1) * width)), features!) });
        }
      }
      const best = matches.sort((a, b) => b.score - a.score).filter(({ score }) => score >= threshold);
      for (const [n, { file, score }] of best.slice(0, topK).entries()) {
        const text = `${score.toFixed(3)}  ${printable(file)}`;
        await output.result(file, { record: { score }, text, rows: [[n + 1, score]], line: [score] });
      }
      if (best.length === 0) output.note(`none of ${matches.length} pictures is that similar`);
    },
  });
}

async function queryPicture(query: string, inputs: readonly string[]): Promise<Picture> {
  if (query === '-' && inputs.includes('-')) throw new UsageError('- stands for standard input and can be given once');
  const found = await inputPictures('similar', [query], { quiet: true });
  if (found.length === 1) return found[0];
  throw new UsageError(
    `similar: expected one picture to compare with, then where to look; ${query} is ${found.length}`,
  );
}

async function storedFeatures(inputs: readonly string[], { features, filesFrom }: SimilarFlags) {
  if (features === undefined) {
    if (inputs.length > 0 || filesFrom !== undefined) return null;
    throw new UsageError('similar: name where to look as well, such as a folder: mobilenet-v2 similar cat.jpg photos');
  }
  if (inputs.length === 0 && filesFrom === undefined) return readFeatures(features);
  throw new UsageError('similar: name pictures to look among, or their --features, not both');
}

/** The query itself is left out of the results. */
const isSame = (file: string, query: string): boolean =>
  file === query || (!isUrl(file) && !isUrl(query) && resolve(file) === resolve(query));

/** Features scaled to length 1, so that the cosine of two is the sum of their products. */
function unit(features: Float32Array): Float32Array {
  const length = magnitude(features);
  return length === 0 ? features : features.map((value) => value / length);
}
