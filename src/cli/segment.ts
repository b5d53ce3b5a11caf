/** `mobilenet-v2 segment`: a mask of classes for every picture, and the picture with the classes laid over it. */
import type { Command } from 'commander';
import { makeFolder } from '../node/files.js';
import { encodePalettePng, encodePng } from '../node/png.js';
import type { Prepared } from '../node/prepare.js';
import {
  type ImageSegmentationPipeline,
  MobileNetError,
  type MobileNetV2ImageProcessor,
  pipeline,
  type RawImage,
} from '../node.js';
import { segmentationProcessing } from '../pipeline.js';
import { runJob } from './batches.js';
import { warnOfRandomWeights } from './checkpoint.js';
import { overlay, vocPalette } from './colours.js';
import { withDownloads } from './downloads.js';
import { LookAhead, settle } from './look-ahead.js';
import {
  addCommonOptions,
  examples,
  formatOf,
  fraction,
  modelOption,
  outputPath,
  type PictureFlags,
} from './options.js';
import type { Result } from './output.js';
import { inputPictures, picturesArgument } from './pictures.js';
import { resultPaths } from './result-paths.js';
import type { Session } from './session.js';
import { writeWhole } from './temporary-file.js';
import { percent, plural, printable } from './text.js';

interface SegmentFlags extends PictureFlags {
  model: string;
  out: string;
  opacity: number;
  wholeImage?: true;
}

/** A mask stores a class in a byte. */
const MOST_CLASSES = 256;

export function addSegment(program: Command, session: Session): void {
  const command = program
    .command('segment')
    .summary('Say what every pixel of pictures shows.')
    .description(
      'Say what every pixel shows. Writes NAME.mask.png, a palette picture whose values are the classes, and ' +
        'NAME.overlay.png, the picture with the classes in colour. Prints the share of the picture each class has.',
    )
    .addArgument(picturesArgument())
    .addOption(modelOption('folder of the model, or its name on the hub (required)').makeOptionMandatory())
    .requiredOption('--out <dir>', 'folder for the masks, made if it is not there (required)', outputPath)
    .option('--opacity <0-1>', 'of the colours in the overlay', fraction, 0.5)
    .option('--whole-image', "segment the whole picture undistorted, where Hugging Face's way crops the centre")
    .action((inputs: string[], flags: SegmentFlags) => segment(inputs, flags, session));
  addCommonOptions(command);
  examples(command, [
    'segment dog.jpg --model google/deeplabv3_mobilenet_v2_1.0_513 --out masks',
    'segment photos --model deeplabv3_mobilenet_v2_1.0_513 --out masks --whole-image --ndjson',
  ]);
}

async function segment(inputs: string[], flags: SegmentFlags, session: Session): Promise<void> {
  const found = await inputPictures('segment', inputs, flags);
  const { paths, own } = resultPaths(found, flags.out, ['mask', 'overlay']);
  const pictures = found.filter((picture) => !own.has(picture));
  const { device, threads, memory, model, wholeImage } = flags;
  const lookAhead = new LookAhead(pictures, threads);
  const segmenter = await withDownloads(flags, session, (hub) =>
    pipeline('image-segmentation', model, { ...hub, device, threads, memory }),
  );
  warnOfRandomWeights(segmenter.model);
  const { processor } = segmenter;
  lookAhead.configure({
    processor,
    options: segmentationProcessing({ whole_image: wholeImage === true }),
    keepImage: true,
  });
  const { num_labels } = segmenter.model.config;
  if (num_labels > MOST_CLASSES) {
    throw new MobileNetError('UNSUPPORTED', `the model has ${num_labels} classes, a mask has room for ${MOST_CLASSES}`);
  }
  await makeFolder(flags.out);
  let cropped = 0;
  await runJob({
    pictures,
    lookAhead,
    batchSize: 1,
    flags,
    session,
    async work([picture], [prepared]) {
      if ('error' in prepared) return [prepared];
      if (!wholeImage && crops(processor, prepared.value.image!)) cropped++;
      return [await settle(segmentOne(picture.file, prepared.value, paths.get(picture)!, segmenter, flags))];
    },
    async finish(output) {
      if (cropped > 0 && formatOf(flags) === 'text') {
        output.note(
          `${plural(cropped, 'picture')} cut to the centre and the mask stretched over all of it, as Hugging Face ` +
            'does it; --whole-image segments all of a picture',
        );
      }
      for (const { file } of own) output.note(`${file}: left out, it is a result of this command`);
    },
  });
}

/** Whether the network sees but a part of a picture. */
function crops({ do_center_crop, crop_size, size }: MobileNetV2ImageProcessor, { width, height }: RawImage): boolean {
  if (!do_center_crop || crop_size === null || size === null) return false;
  return 'shortest_edge' in size && width * crop_size.height !== height * crop_size.width;
}

async function segmentOne(
  file: string,
  prepared: Prepared,
  paths: { mask: string; overlay: string },
  segmenter: ImageSegmentationPipeline,
  { opacity }: SegmentFlags,
): Promise<Result> {
  const image = prepared.image!;
  const { width, height } = image;
  const [map] = await segmenter.segment(prepared.pixel_values, [[height, width]]);
  const ids = Uint8Array.from(map.data as ArrayLike<number | bigint>, Number);
  const labels = segmenter.model.config.id2label;
  const background = Object.values(labels).indexOf('background');
  const palette = vocPalette();
  const blended = overlay(image.rgb().data, { ids, palette, opacity, background });
  const mask = await encodePalettePng({ data: ids, width, height, palette });
  writeWhole(paths.mask, mask);
  writeWhole(paths.overlay, await encodePng({ data: blended, width, height, channels: 3 }));

  const classes = areas(ids).map(({ id, pixels }) => ({ id, label: labels[id], pixels, share: pixels / ids.length }));
  return {
    record: { width, height, classes, mask: paths.mask, overlay: paths.overlay },
    text: [
      `${printable(file)} → ${printable(paths.mask)}, ${printable(paths.overlay)}`,
      ...classes.map(({ label, share }) => `  ${percent(share)}  ${printable(label)}`),
    ].join('\n'),
  };
}

/** The classes that occur, the largest first. */
function areas(ids: Uint8Array): { id: number; pixels: number }[] {
  const counts = new Uint32Array(MOST_CLASSES);
  for (const id of ids) counts[id]++;
  return [...counts]
    .map((pixels, id) => ({ id, pixels }))
    .filter(({ pixels }) => pixels > 0)
    .sort((a, b) => b.pixels - a.pixels);
}
