/** `mobilenet-v2 segment`: a mask of classes for every picture, and the picture with the classes laid over it. */
import { existsSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { mapped } from '../base/mapped.js';
import {
  colorize,
  type ImageSegmentationPipeline,
  legend,
  MobileNetError,
  type MobileNetV2ImageProcessor,
  overlay,
  pipeline,
  type RawImage,
  Tensor,
} from '../entries/main-node.js';
import { segmentationProcessing } from '../pipeline.js';
import { makeFolder } from '../platforms/node/files.js';
import { encodePalettePng, encodePng } from '../platforms/node/png.js';
import type { Prepared } from '../platforms/node/prepare.js';
import { runJob } from './batches.js';
import { loadOptions } from './checkpoint.js';
import { withDownloads } from './downloads.js';
import { UsageError } from './errors.js';
import { refuseInput } from './inputs.js';
import { LookAhead, outcomeOf } from './look-ahead.js';
import {
  addCommonOptions,
  examples,
  formatOf,
  fraction,
  modelOption,
  outputPath,
  type PictureFlags,
  SHIPPED_SEGMENTER,
  thresholdOption,
} from './options.js';
import type { Result } from './output.js';
import { isPictureName } from './picture-file.js';
import { inputPictures, picturesArgument } from './pictures.js';
import { resultPaths } from './result-paths.js';
import type { Session } from './session.js';
import { writeWhole } from './temporary-file.js';
import { colored, percent, plural, printable } from './text.js';

interface SegmentFlags extends PictureFlags {
  out: string;
  overlay: boolean;
  opacity: number;
  threshold: number;
  minShare: number;
  centerCrop?: true;
}

/** A mask stores a class in a byte; the last value is for pixels without one, as in Pascal VOC's label files. */
const NO_CLASS = 255;
const MOST_CLASSES = 255;

export function addSegment(program: Command, session: Session): void {
  const command = program
    .command('segment')
    .summary('Say what every pixel of pictures shows.')
    .description(
      'Say what every pixel shows. Writes NAME.mask.png, a palette picture whose values are the classes, and ' +
        'NAME.overlay.png, the picture with the classes in colour. Prints the share of the picture each class has.',
    )
    .addArgument(picturesArgument())
    .addOption(modelOption(`folder or hub name (default: ${SHIPPED_SEGMENTER})`))
    .option('-o, --out <dir>', 'folder for the masks', outputPath, 'masks')
    .addOption(thresholdOption('pixels less certain get no class: 255 in masks').default(0))
    .option('--min-share <0-1>', 'leave smaller classes out of the list', fraction, 0)
    .option('--overlay', 'write the picture with its classes in colour (default)', true)
    .option('--no-overlay', 'write masks alone')
    .option('--opacity <0-1>', 'of the colours in the overlay', fraction, 0.5)
    .option('--center-crop', "Hugging Face's way: look at the centre alone")
    .addOption(new Option('--whole-image', 'what is done anyway').hideHelp().conflicts('centerCrop'))
    .action((inputs: string[], flags: SegmentFlags) => segment(inputs, flags, session));
  addCommonOptions(command);
  examples(command, ['segment dog.jpg', 'segment photos -m google/deeplabv3_mobilenet_v2_1.0_513 -f csv']);
}

/** `--out cat.png` made a folder of that name. What is there is a folder, or said not to be one when it is written to. */
function checkFolderName(path: string): void {
  if (!isPictureName(path) || /[\\/]$/.test(path) || existsSync(path)) return;
  throw new UsageError(`--out: ${path} is the name of a picture; write ${path}/ if it is to be a folder`);
}

async function segment(inputs: string[], flags: SegmentFlags, session: Session): Promise<void> {
  checkFolderName(flags.out);
  const found = await inputPictures('segment', inputs, flags);
  const { threads, model, centerCrop = false } = flags;
  const { paths, own } = resultPaths(found, flags.out, ['mask', 'overlay']);
  const pictures = found.filter((picture) => !own.has(picture));
  const lookAhead = new LookAhead(pictures, threads);
  for (const { mask, overlay } of paths.values()) for (const path of [mask, overlay]) refuseInput(path);
  const segmenter = await withDownloads(flags, session, (hub) =>
    pipeline('image-segmentation', model, { ...hub, ...loadOptions(flags) }),
  );
  const { processor } = segmenter;
  lookAhead.configure({
    processor,
    options: segmentationProcessing({ wholeImage: !centerCrop }),
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
    columns: ['id', 'label', 'pixels', 'share', 'mask', ...(flags.overlay ? ['overlay'] : [])],
    async work([picture], [prepared]) {
      if ('error' in prepared) return [prepared];
      if (centerCrop && crops(processor, prepared.value.image!)) cropped++;
      return [await outcomeOf(segmentOne(picture.file, prepared.value, paths.get(picture)!, segmenter, flags))];
    },
    async finish(output) {
      if (cropped > 0 && formatOf(flags) === 'table') {
        output.note(`${plural(cropped, 'picture')} cut to the centre; without --center-crop all of a picture is seen`);
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
  flags: SegmentFlags,
): Promise<Result> {
  const image = prepared.image!;
  const { width, height } = image;
  const { threshold } = flags;
  const [map] = await segmenter.segment(prepared.pixel_values!, [[height, width]], { threshold });
  const { id2label: labels } = segmenter.model.config;
  const ids = mapped(new Uint8Array(map.size), map.data, (id) => (id < 0 ? NO_CLASS : id));
  const mask = await encodePalettePng({ data: ids, width, height, palette: paletteOf(labels) });
  writeWhole(paths.mask, mask);
  const written = flags.overlay ? [paths.mask, paths.overlay] : [paths.mask];
  if (flags.overlay) {
    writeWhole(paths.overlay, await encodePng(overlay(image, map, { labels, alpha: flags.opacity })));
  }

  const classes = legend(map, { labels })
    .filter(({ share }) => share >= flags.minShare)
    .map(({ color, ...entry }) => ({ ...entry, color, pixels: Math.round(entry.share * map.size) }));
  return {
    record: {
      width,
      height,
      classes: classes.map(({ id, label, pixels, share, color }) => ({ id, label, pixels, share, color })),
      mask: paths.mask,
      ...(flags.overlay && { overlay: paths.overlay }),
    },
    text: [
      `${printable(file)} → ${written.map(printable).join(', ')}`,
      ...classes.map(({ label, share, color }) => `  ${percent(share)}  ${colored(printable(label), color)}`),
    ].join('\n'),
    rows: classes.map(({ id, label, pixels, share }) => [id, label, pixels, share, ...written]),
    line: classes.flatMap(({ label, share }) => [label, share]),
  };
}

/** The colours of all classes that a mask may hold, [256,3]: those that the overlay has. */
function paletteOf(labels: Record<number, string>): Uint8Array {
  const every = new Tensor('int32', [...new Array(MOST_CLASSES).keys(), -1], [1, MOST_CLASSES + 1]);
  return new Uint8Array(colorize(every, { labels }).rgb().data);
}
