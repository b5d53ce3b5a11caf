/** `mobilenet-v2 train`: a network learns a folder of pictures. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Folder, openFolder } from '../base/folder.js';
import { MobileNetV2ForImageClassification, MobileNetV2ForSemanticSegmentation } from '../entries/main-node.js';
import {
  type ImageFolder,
  type TrainableModel,
  type TrainedPart,
  Trainer,
  type TrainingOptions,
} from '../entries/train.js';
import { classificationMetrics, segmentationMetrics } from '../train/metrics.js';
import { recipeOf } from '../train/recipe.js';
import { loadOptions } from './checkpoint.js';
import { withDownloads } from './downloads.js';
import { EXIT, UsageError } from './errors.js';
import { writeReport } from './evaluate.js';
import { assessmentRecord, assessmentText, FolderTalk, processorOf } from './folder-flags.js';
import { readLabels } from './labels.js';
import {
  addComputeOptions,
  addLastOptions,
  addModelOptions,
  type CommonFlags,
  examples,
  fraction,
  heightWidth,
  modelOption,
  outputPath,
  wholeNumber,
} from './options.js';
import { mayOverwrite } from './overwrite.js';
import { type Session, Stopped } from './session.js';
import { json, printable } from './text.js';
import { TrainingTalk } from './training-talk.js';

interface TrainFlags extends CommonFlags {
  out: string;
  task: 'classify' | 'segment';
  train: TrainedPart;
  batchNorm: 'frozen' | 'train';
  epochs?: number;
  batchSize?: number;
  learningRate?: number;
  dropout?: number;
  balance?: true;
  size?: [height: number, width: number];
  labels?: string;
  testShare: number;
  crop: number;
  flip: boolean;
  jitter: number;
  seed: number;
  resume?: true;
  force?: true;
}

const PARTS: readonly TrainedPart[] = ['head', 'last', 'all'];

export function addTrain(program: Command, session: Session): void {
  const command = program
    .command('train')
    .summary('Train a model on a folder of pictures.')
    .description(
      'Train a model on pictures in folders: each folder is a class (cats/1.jpg), or there are images/ and masks/ (PNG, the ' +
        'number of a class in every pixel, 255 for none). With train/ and val/ or test/ above them, those are taken; else ' +
        'some pictures of each class are kept to evaluate with. The folder written is a model for all other commands, and ' +
        'for transformers; it has report.html too.',
    )
    .argument('<folder>', 'pictures with labels')
    .requiredOption('-o, --out <dir>', 'folder to write the model and its checkpoints to', outputPath)
    .addOption(new Option('--task <task>', 'what is learned').choices(['classify', 'segment']).default('classify'))
    .addOption(new Option('--train <part>', 'head, last (three blocks) or all').choices(PARTS).default('all'))
    .addOption(modelOption('start: folder or hub name (default: the one shipped)'))
    .addOption(epochsOption())
    .option('--resume', 'go on from the last checkpoint in --out')
    .option('-y, --force', 'overwrite a model in the folder, do not ask');
  addDataOptions(command);
  addRecipeOptions(command);
  command
    .option('--json', 'print lines of JSON: each epoch, then the result')
    .option('-q, --quiet', 'no progress bar, no remarks')
    .action((folder: string, flags: TrainFlags) => train(folder, flags, session));
  addModelOptions(command);
  addComputeOptions(command);
  addLastOptions(command);
  examples(command, [
    'train flowers --out trained',
    'train flowers --out trained --train head',
    'train digits --out new --size 96 --no-flip --batch-norm train',
    'train street --out trained --task segment --labels classes.txt',
    'train flowers --out trained --resume',
  ]);
}

const epochsOption = (): Option =>
  new Option(
    '--epochs <n>',
    'how often all pictures are seen (default: 10, with few pictures up to 40; 40 for the head)',
  ).argParser(positive);

function addDataOptions(command: Command): void {
  command
    .optionsGroup('Options for pictures:')
    .option('--labels <file>', 'names of classes in their order: a line each, or JSON')
    .addOption(new Option('--size <HxW>', 'of the input (default: as the model has it)').argParser(heightWidth))
    .addOption(
      new Option('--test-share <0-1>', 'of each class, kept to evaluate with').argParser(fraction).default(0.2),
    )
    .addOption(
      new Option('--crop <0-1>', 'least share of a picture that is seen; 1 is all').argParser(fraction).default(0.4),
    )
    .option('--no-flip', 'do not mirror pictures: for digits and letters')
    .addOption(
      new Option('--jitter <0-1>', 'change of brightness, contrast, saturation').argParser(fraction).default(0),
    )
    .option('--balance', 'show rare classes as often as others');
}

function addRecipeOptions(command: Command): void {
  command
    .optionsGroup('Options for training:')
    .addOption(
      new Option('--batch-size <n>', 'pictures a step (default: 16; 32 for the head)').argParser(wholeNumber(1, 1024)),
    )
    .addOption(
      new Option('--learning-rate <x>', 'default: 1e-4; 1e-3 for the head, or trained norms').argParser(positive),
    )
    .addOption(
      new Option('--batch-norm <mode>', 'frozen is fast; train is for pictures unlike photographs')
        .choices(['frozen', 'train'])
        .default('frozen'),
    )
    .addOption(
      new Option('--dropout <0-1>', 'before the classifier (default: 0.2; 0 for the head)').argParser(fraction),
    )
    .addOption(new Option('--seed <n>', 'of all that is random').argParser(wholeNumber(0, 2 ** 31)).default(42));
}

function positive(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value > 0 && value < Number.POSITIVE_INFINITY) return value;
  throw new InvalidArgumentError('Expected a number above 0.');
}

const MODELS = { classify: MobileNetV2ForImageClassification, segment: MobileNetV2ForSemanticSegmentation };

async function train(folder: string, flags: TrainFlags, session: Session): Promise<void> {
  const talk = new FolderTalk(flags);
  if (!(await mayWrite(flags, session))) {
    process.stderr.write('mobilenet-v2: nothing was written\n');
    session.exitCode = EXIT.failed;
    return;
  }
  const { task, testShare, seed, size } = flags;
  const labels = flags.labels === undefined ? undefined : await readLabels(flags.labels);
  const start = await withDownloads(flags, session, (hub) => openFolder(flags.model, hub, MODELS[task].shipped));
  const processor = await processorOf(start, size);
  const augmentation = augmentationOf(flags);
  const opened = await talk.open(folder, session, { processor, task, labels, testShare, seed, augmentation });
  const network = await session.unlessStopped(loadModel(start, folder, opened, flags));
  const trainer = new Trainer({
    model: network,
    args: argumentsOf(opened, flags),
    train_dataset: opened.train,
    ...(opened.test.length > 0 && { eval_dataset: opened.test }),
    compute_metrics: task === 'segment' ? segmentationMetrics() : classificationMetrics,
    processing_class: processor,
  });
  const told = new TrainingTalk(talk, trainer, flags);
  trainer.add_callback(told);
  session.grace = SAVING_MS;
  told.begin(folder, opened);
  const stopping = () => told.stopping();
  session.signal.addEventListener('abort', stopping);
  try {
    await trainer.train({ signal: session.signal, ...(flags.resume && { resume_from_checkpoint: true }) });
  } catch (error) {
    if (error instanceof Stopped) told.stopped();
    throw error;
  } finally {
    session.signal.removeEventListener('abort', stopping);
    talk.done();
  }
  await trainer.save_model();
  await finish(folder, flags, session, { talk, told, trainer, network, opened });
}

/** Writing a checkpoint takes its time; a second Ctrl-C does not wait. */
const SAVING_MS = 60_000;

const isHead = ({ train, task }: TrainFlags): boolean => train === 'head' && task === 'classify';

/** The head learns on features that are computed once, so there is one view of each picture. */
function augmentationOf(flags: TrainFlags) {
  const { crop, flip, jitter } = flags;
  if (isHead(flags)) return null;
  if (crop === 0) throw new UsageError('--crop: expected a share above 0');
  return {
    ...{ scale: [crop, 1] as const, flip: flip ? 0.5 : 0 },
    ...{ brightness: jitter, contrast: jitter, saturation: jitter },
  };
}

function loadModel(
  start: Folder,
  name: string,
  { id2label, train }: ImageFolder,
  flags: TrainFlags,
): Promise<TrainableModel> {
  if (Object.keys(id2label).length < 2) {
    throw new UsageError(`${name}: there is one class alone, so there is nothing to learn; add a folder of another`);
  }
  if (train.length === 0) throw new UsageError(`${name}: all pictures are kept to evaluate with; lower --test-share`);
  const [, ...image_size] = train.dims;
  const options = {
    ...loadOptions(flags),
    ...{ id2label, image_size, seed: flags.seed, ignore_mismatched_sizes: true, dtype: 'fp32' as const },
  };
  return flags.task === 'segment'
    ? MobileNetV2ForSemanticSegmentation.from_pretrained(start, options)
    : MobileNetV2ForImageClassification.from_pretrained(start, options);
}

/** The recipe, and what the flags say in its place. */
function argumentsOf({ train, test }: ImageFolder, flags: TrainFlags): TrainingOptions {
  const { task, train: part, batchNorm, epochs, batchSize, learningRate, dropout, balance } = flags;
  const recipe = recipeOf({ task, part, batchNorm, pictures: train.length, evaluates: test.length > 0, batchSize });
  return {
    ...recipe,
    // A batch norm has no statistics of one picture.
    dataloader_drop_last: batchNorm === 'train' && train.length % recipe.per_device_train_batch_size! === 1,
    ...{ output_dir: flags.out, seed: flags.seed },
    ...(epochs !== undefined && { num_train_epochs: epochs }),
    ...(learningRate !== undefined && { learning_rate: learningRate }),
    ...(dropout !== undefined && { classifier_dropout_prob: dropout }),
    ...(balance && { train_sampling_strategy: 'balanced' }),
  };
}

/** Whether the folder is free, or the user wants what is in it gone. */
async function mayWrite({ out, resume, force }: TrainFlags, session: Session): Promise<boolean> {
  if (resume) return true;
  const checkpoints = existsSync(out) ? readdirSync(out).filter((name) => /^checkpoint-\d+$/.test(name)) : [];
  const names = ['config.json', 'preprocessor_config.json', 'model.safetensors', ...checkpoints];
  if (!force && !(await mayOverwrite(out, names, session))) return false;
  // A later --resume would take the last one, which would be of another training.
  for (const name of checkpoints) rmSync(join(out, name), { recursive: true });
  return true;
}

interface Finished {
  talk: FolderTalk;
  told: TrainingTalk;
  trainer: Trainer;
  network: TrainableModel;
  opened: ImageFolder;
}

/** Says how good it has become. */
async function finish(
  folder: string,
  flags: TrainFlags,
  session: Session,
  { talk, told, trainer, network, opened }: Finished,
): Promise<void> {
  const { out } = flags;
  const done = { path: out, pictures: opened.train.length, steps: trainer.state.global_step, seconds: told.seconds };
  if (opened.test.length === 0) {
    process.stdout.write(
      flags.json ? `${json(done)}\n` : `${printable(out)}: the model; nothing was kept to evaluate it with\n`,
    );
    return;
  }
  const assessment = await talk.assess(network, opened, 8, session);
  const labels = network.config.id2label;
  if (flags.json) process.stdout.write(`${json({ ...done, ...assessmentRecord(assessment, labels, opened.test) })}\n`);
  else process.stdout.write(`\n${assessmentText(assessment, labels)}\n\n${printable(told.bestLine())}\n`);
  const remarks = [told.beginning, told.bestLine()];
  const about = { title: folder, remarks, history: trainer.state.log_history };
  await writeReport(join(out, 'report.html'), about, network, opened, assessment, talk);
}
