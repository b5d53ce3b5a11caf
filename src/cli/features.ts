/** `mobilenet-v2 features`: what the network sees in a picture, as numbers for other programs to compare or learn from. */
import { extname } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { show } from '../base/errors.js';
import { MobileNetError, type MobileNetV2Model, pipeline, type Tensor } from '../entries/main-node.js';
import { outputsOf, runJob } from './batches.js';
import { loadOptions } from './checkpoint.js';
import { withDownloads } from './downloads.js';
import { UsageError } from './errors.js';
import { FEATURE_EXTENSIONS, FeatureFile, rowsFile } from './feature-file.js';
import { LookAhead, type Outcome } from './look-ahead.js';
import {
  addCommonOptions,
  batchSizeOption,
  examples,
  formatOf,
  hiddenState,
  LAST_HIDDEN_STATE,
  modelOption,
  outputPath,
  type PictureFlags,
  SHIPPED_MODEL,
} from './options.js';
import type { Result } from './output.js';
import { inputPictures, picturesArgument } from './pictures.js';
import type { Session } from './session.js';
import { plural } from './text.js';

interface FeatureFlags extends PictureFlags {
  out?: string;
  pool: boolean;
  hiddenState?: number;
  layer?: string;
  batchSize: number;
}

export function addFeatures(program: Command, session: Session): void {
  const command = program
    .command('features')
    .summary('Turn pictures into features for other programs.')
    .description('Turn pictures into features: a list of numbers each, alike for pictures that look alike.')
    .addArgument(picturesArgument())
    .addOption(modelOption(`folder or hub name (default: ${SHIPPED_MODEL})`))
    .option(
      '-o, --out <file>',
      'write .safetensors, or .npy and NAME.rows.csv, which names the picture of each row',
      featureFileName,
    )
    .option('--no-pool', 'maps of features [C,H,W] in place of their means')
    .option('--hidden-state <i>', `maps after an earlier block, 0 to ${LAST_HIDDEN_STATE}`, hiddenState)
    .addOption(new Option('--layer <name>', 'maps of any layer that inspect lists').conflicts('hiddenState'))
    .addOption(batchSizeOption())
    .action((inputs: string[], flags: FeatureFlags) => features(inputs, flags, session));
  addCommonOptions(command);
  examples(command, [
    'features photos --out photos.safetensors',
    'features photos --out photos.npy --batch-size 8',
    'features photos --format csv > photos.csv',
    'features cat.jpg --hidden-state 9 --out cat.npy',
    'features cat.jpg --layer layer.3.conv_3x3 --out cat.npy',
  ]);
}

function featureFileName(path: string): string {
  if (FEATURE_EXTENSIONS.includes(extname(path))) return outputPath(path);
  throw new InvalidArgumentError(`Expected a name that ends in ${FEATURE_EXTENSIONS.join(' or ')}.`);
}

async function features(inputs: string[], flags: FeatureFlags, session: Session): Promise<void> {
  const pictures = await inputPictures('features', inputs, flags);
  const { threads, model, out, batchSize } = flags;
  const lookAhead = new LookAhead(pictures, threads);
  const extractor = await withDownloads(flags, session, (hub) =>
    pipeline('image-feature-extraction', model, { ...hub, ...loadOptions(flags) }),
  );
  checkLayer(extractor.model, flags);
  const columns = columnsOf(extractor.model, flags);
  const { model: network, processor } = extractor;
  const output = wantedLayer(flags);
  const options = loadOptions(flags);
  const wanted = { architecture: 'MobileNetV2Model', model: network, options, output } as const;
  lookAhead.configure({ processor, options: {}, keepImage: false }, wanted);
  const names = pictures.map(({ file }) => file);
  const file = out === undefined ? null : new FeatureFile(out, names);
  let shape: readonly number[] | undefined;
  let count = 0;

  const keep = (name: string, own: Tensor<'float32'>): Outcome<Result> => {
    const { dims, data } = own;
    shape ??= dims;
    if (file !== null && dims.join() !== shape.join()) {
      const message = `features are [${dims}], those of the first picture [${shape}]; one file holds one shape`;
      return { error: new MobileNetError('SHAPE', message, { file: name }) };
    }
    count++;
    if (file !== null) {
      const row = file.append(name, data);
      return { value: { record: { dims, row }, text: null, rows: [[row]], line: [row] } };
    }
    const values = Array.from(data);
    return { value: { record: { dims, features: own.tolist() }, text: null, rows: [values], line: values } };
  };

  try {
    await runJob({
      pictures,
      lookAhead,
      batchSize,
      flags,
      session,
      columns,
      async work(batch, prepared) {
        const compute = async (pixels: Tensor) => (await network.activations(pixels, [output])).get(output)!;
        const outcomes = await outputsOf(prepared, compute);
        return outcomes.map((outcome, n) =>
          'error' in outcome ? outcome : keep(batch[n].file, outcome.value.squeeze(0)),
        );
      },
      async finish(output) {
        if (shape === undefined) return;
        file?.finish(shape);
        const what = `features of ${plural(count, 'picture')}, [${shape.join(', ')}] each`;
        const rows = out === undefined ? null : rowsFile(out);
        const named = rows === null ? '' : `; ${rows} names the picture of each row`;
        const remedy = `${what}; --out FILE writes them, --format csv prints them`;
        await output.summary(file === null ? remedy : `${out}: ${what}${named}`);
      },
    });
  } finally {
    file?.discard();
  }
}

/** Before the first picture: a wrong name is wrong for all. */
function checkLayer({ graph }: MobileNetV2Model, { layer }: FeatureFlags): void {
  if (layer === undefined || graph.nodes.some(({ name }) => name === layer)) return;
  throw new UsageError(`--layer: the model has no layer ${show(layer)}; \`mobilenet-v2 inspect\` lists them`);
}

/** Of CSV: the row in the file, or a column for every pooled feature. */
function columnsOf(model: MobileNetV2Model, flags: FeatureFlags): string[] {
  const format = formatOf(flags);
  if (flags.out !== undefined || (format !== 'csv' && format !== 'lines')) return ['row'];
  if (!isPooled(flags))
    throw new UsageError(`--format ${format} has no room for maps; --out writes them, --json prints them`);
  const [last] = model.layers([1, model.config.num_channels, 224, 224]).slice(-1);
  return Array.from({ length: last.dims![1] }, (_, n) => `f${n}`);
}

const isPooled = ({ pool, hiddenState, layer }: FeatureFlags) =>
  pool && hiddenState === undefined && layer === undefined;

/** By the name that `activations` takes. */
function wantedLayer({ pool, hiddenState, layer }: FeatureFlags): string {
  if (layer !== undefined) return layer;
  if (hiddenState !== undefined) return `hidden_states.${hiddenState}`;
  return pool ? 'pooler_output' : 'last_hidden_state';
}
