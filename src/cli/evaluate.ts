/** `mobilenet-v2 evaluate`: how many pictures of a folder a model gets right, and which it does not. */
import type { Command } from 'commander';
import { type HubOptions, MobileNetV2Config } from '../entries/main-node.js';
import { type Assessment, type ImageFolder, reportPage, showMistakes, type TrainableModel } from '../entries/train.js';
import { type Architecture, architectureOf, loadOptions, modelClass } from './checkpoint.js';
import { withDownloads } from './downloads.js';
import { UsageError } from './errors.js';
import { assessmentRecord, assessmentText, FolderTalk, processorOf } from './folder-flags.js';
import {
  addComputeOptions,
  addLastOptions,
  addModelOptions,
  batchSizeOption,
  type CommonFlags,
  examples,
  modelOption,
  outputPath,
  SHIPPED_MODEL,
} from './options.js';
import type { Session } from './session.js';
import { writeWhole } from './temporary-file.js';
import { json, plural, printable } from './text.js';

interface EvaluateFlags extends CommonFlags {
  batchSize: number;
  report?: string;
}

export function addEvaluate(program: Command, session: Session): void {
  const command = program
    .command('evaluate')
    .summary('Say how well a model does on a folder.')
    .description(
      'Count how many pictures of a folder a model gets right: accuracy, each class, what it confuses. Folders are classes ' +
        '(cats/1.jpg); for a segmenter there are images/ and masks/. Of train/, val/ and test/ it takes test/, else val/.',
    )
    .argument('<folder>', 'pictures with labels')
    .addOption(modelOption(`folder or hub name (default: ${SHIPPED_MODEL})`))
    .addOption(batchSizeOption().default(8))
    .option('--report <file>', 'write a page with the confusion matrix and the worst mistakes (.html)', outputPath)
    .option('--json', 'print a JSON object')
    .option('-q, --quiet', 'no progress bar, no remarks')
    .action((folder: string, flags: EvaluateFlags) => evaluate(folder, flags, session));
  addModelOptions(command);
  addComputeOptions(command);
  addLastOptions(command);
  examples(command, [
    'evaluate flowers --model trained',
    'evaluate flowers/test --model trained --report flowers.html',
    'evaluate street --model deeplabv3_mobilenet_v2_1.0_513 --json',
  ]);
}

async function evaluate(folder: string, flags: EvaluateFlags, session: Session): Promise<void> {
  const talk = new FolderTalk(flags);
  const { model, processor, architecture } = await withDownloads(flags, session, async (hub) => {
    const config = await MobileNetV2Config.from_pretrained(flags.model, hub);
    const architecture = architectureOf(config);
    if (architecture === 'MobileNetV2Model')
      throw new UsageError(`${flags.model}: has no head, so it knows no classes`);
    return { ...(await loadBoth(architecture, flags, hub)), architecture };
  });
  const { id2label } = model.config;
  const labels = Object.keys(id2label).map((id) => id2label[Number(id)]!);
  const task = architecture === 'MobileNetV2ForSemanticSegmentation' ? 'segment' : 'classify';
  const opened = await talk.open(folder, session, { processor, task, labels, onlyTest: true, augmentation: null });
  const { testFolder } = opened;
  const assessment = await talk.assess(model, opened, flags.batchSize, session);
  const where = testFolder === undefined ? folder : `${folder}/${testFolder}`;
  const line = `${where}: ${plural(assessment.pictures, 'picture')} by ${flags.model ?? SHIPPED_MODEL}, ${assessment.seconds.toFixed(1)} s`;
  if (flags.json) {
    const record = { folder, ...(testFolder !== undefined && { part: testFolder }), model: flags.model ?? null };
    process.stdout.write(`${json({ ...record, ...assessmentRecord(assessment, id2label, opened.test) }, 2)}\n`);
  } else process.stdout.write(`${printable(line)}\n\n${assessmentText(assessment, id2label)}\n`);
  if (flags.report !== undefined)
    await writeReport(flags.report, { title: where, remarks: [line] }, model, opened, assessment, talk);
}

async function loadBoth(architecture: Architecture, flags: EvaluateFlags, hub: HubOptions) {
  const Model = modelClass(architecture);
  const options = { ...hub, ...loadOptions(flags) };
  const [model, processor] = await Promise.all([
    Model.from_pretrained(flags.model, options),
    processorOf(flags.model, undefined, hub),
  ]);
  return { model: model as unknown as TrainableModel, processor };
}

/** The page, with pictures of the mistakes. */
export async function writeReport(
  file: string,
  about: { title: string; remarks: string[]; history?: readonly Record<string, number>[] },
  model: TrainableModel,
  { test, id2label }: ImageFolder,
  assessment: Assessment,
  talk: FolderTalk,
): Promise<void> {
  const mistakes = await showMistakes(model, test, assessment);
  writeWhole(file, new TextEncoder().encode(reportPage({ ...about, assessment, labels: id2label, mistakes })));
  talk.note(`wrote ${file}`);
}
