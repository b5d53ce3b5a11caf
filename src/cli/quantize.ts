/** `mobilenet-v2 convert --dtype int8 --calibrate photos`: the flags, the work, and what is said of it. */
import { InvalidArgumentError, Option } from 'commander';
import type { Converted } from '../entries/convert-node.js';
import { MobileNetV2ImageProcessor, type Tensor } from '../entries/main-node.js';
import { type ObserverName, type Quantized, quantize } from '../entries/quantize.js';
import { modelClass } from './checkpoint.js';
import { UsageError } from './errors.js';
import { inputPictures, type Picture } from './pictures.js';
import { Progress } from './progress.js';
import type { Session } from './session.js';

export type WholeDtype = 'int8' | 'int16';

/** Words for the types; q8 is what transformers.js calls 8 bits. */
export const WHOLE_DTYPES: Readonly<Record<string, WholeDtype>> = { int8: 'int8', q8: 'int8', int16: 'int16' };

const OBSERVERS: readonly ObserverName[] = ['mse', 'percentile', 'average', 'minmax'];

export interface QuantizeFlags {
  calibrate?: string;
  observer?: ObserverName;
}

export const calibrateOption = (): Option =>
  new Option(
    '--calibrate <pictures>',
    'for int8 and int16: folder, or glob in quotes, to find the ranges of values on',
  );

export const observerOption = (): Option =>
  new Option('--observer <name>', `how ranges are found: ${OBSERVERS.join(', ')} (default: mse)`).argParser(observer);

function observer(text: string): ObserverName {
  const name = OBSERVERS.find((each) => each === text);
  if (name !== undefined) return name;
  throw new InvalidArgumentError(`Expected ${OBSERVERS.join(', ')}.`);
}

/** The pictures, found before anything is read or written; undefined where no whole numbers are wanted. */
export async function calibrationPictures(
  dtype: string | undefined,
  { calibrate, observer }: QuantizeFlags,
): Promise<Picture[] | undefined> {
  if (dtype === undefined || !Object.hasOwn(WHOLE_DTYPES, dtype)) {
    const [flag] = Object.entries({ calibrate, observer }).find(([, given]) => given !== undefined) ?? [];
    if (flag !== undefined) throw new UsageError(`--${flag} is for --dtype int8 and int16`);
    return undefined;
  }
  if (calibrate !== undefined) return inputPictures('convert', [calibrate], {});
  throw new UsageError(`--dtype ${dtype} needs pictures like those that the model will see: --calibrate photos`);
}

/** The quantized network of what was converted. */
export async function quantizeConverted(
  { architecture, config, state, preprocessor, from }: Converted,
  pictures: readonly Picture[],
  { dtype, observer }: QuantizeFlags & { dtype: WholeDtype },
  session: Session,
): Promise<Quantized<unknown>> {
  if (preprocessor === undefined) {
    throw new UsageError(`${from}: there is no preprocessor_config.json, which says how pictures become numbers`);
  }
  const processor = MobileNetV2ImageProcessor.from_dict(preprocessor);
  const model = new (modelClass(architecture))(config, { state });
  const progress = new Progress(pictures.length, true);
  const quantized = quantize(model, {
    ...{ dtype, processor, pixel_values: pixelsOf(pictures, processor), signal: session.signal },
    ...(observer && { observer }),
    progress_callback: ({ status, pictures: done }) => void (status === 'calibrate' && progress.update(done)),
  });
  try {
    return await session.unlessStopped(quantized);
  } finally {
    progress.hide();
    model.dispose();
  }
}

async function* pixelsOf(pictures: readonly Picture[], processor: MobileNetV2ImageProcessor): AsyncGenerator<Tensor> {
  for (const picture of pictures) yield (await processor(await picture.load())).pixel_values;
}

const WORST = 3;
const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;

/** How near it is to the float network, in a line. */
export function reportLine({ report }: Quantized<unknown>): string {
  const { agreement, error, layers, pictures, compared } = report;
  const same = agreement === null ? '' : `${percent(agreement)} have the class that float32 gives, `;
  const of = compared === pictures ? `${pictures} pictures` : `${pictures} pictures, ${compared} of them compared`;
  const worst = layers.slice(0, WORST).map(({ name, error: off }) => `${name} ${percent(off)}`);
  return `calibrated on ${of}: ${same}outputs are off by ${percent(error)}; worst layers: ${worst.join(', ')}`;
}
