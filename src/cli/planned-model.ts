/** What `plan` and `profile` share: a model, and the size of the input that its steps are looked at with. */
import type { Command } from 'commander';
import { type InputDims, MobileNetV2Config } from '../entries/main-node.js';
import { architectureOf, folderOf, imageSize, loadOptions, modelClass } from './checkpoint.js';
import { withDownloads } from './downloads.js';
import { protectInputs } from './inputs.js';
import {
  addComputeOptions,
  addLastOptions,
  addModelOptions,
  type CommonFlags,
  hiddenStates,
  modelOption,
  SHIPPED_MODEL,
  sizeOption,
  wholeNumber,
} from './options.js';
import type { Session } from './session.js';

export interface PlannedFlags extends CommonFlags {
  size?: [height: number, width: number];
  batch: number;
  hiddenStates?: number[];
}

/** @param own adds the options that a command alone has */
export function addPlannedOptions(command: Command, own: (command: Command) => void = () => {}): Command {
  command
    .argument('[model]', `folder or hub name (default: ${SHIPPED_MODEL})`)
    .addOption(modelOption('the same as the argument'))
    .addOption(sizeOption())
    .option('--batch <n>', 'pictures at once', wholeNumber(1, 1024), 1)
    .option('--hidden-states <list>', 'hidden states to be asked for as well, such as 9,12', hiddenStates);
  own(command);
  command.option('--json', 'print a JSON object');
  addModelOptions(command);
  addComputeOptions(command);
  return addLastOptions(command);
}

/** @param dir the argument */
export async function loadPlanned(dir: string | undefined, flags: PlannedFlags, session: Session) {
  const folder = folderOf(dir, flags);
  if (folder !== undefined) protectInputs([folder]);
  const { batch, hiddenStates: hidden = false } = flags;
  const config = await withDownloads(flags, session, (hub) => MobileNetV2Config.from_pretrained(folder, { ...hub }));
  const architecture = architectureOf(config);
  const model = await withDownloads(flags, session, (hub) =>
    modelClass(architecture).from_pretrained(folder, { ...hub, ...loadOptions(flags) }),
  );
  const dims: InputDims = [batch, config.num_channels, ...(flags.size ?? imageSize(config))];
  return { folder, architecture, model, dims, hidden };
}
