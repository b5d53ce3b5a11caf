/** What `plan` and `profile` share: a model, and the size of the input that its steps are looked at with. */
import type { Command } from 'commander';
import { type InputDims, MobileNetV2Config } from '../node.js';
import { architectureOf, folderOf, imageSize, modelClass } from './checkpoint.js';
import { withDownloads } from './downloads.js';
import {
  type CommonFlags,
  deviceOption,
  hiddenStates,
  memoryOption,
  modelOption,
  revisionOption,
  sizeOption,
  threadsOption,
  wholeNumber,
} from './options.js';
import type { Session } from './session.js';

export interface PlannedFlags extends CommonFlags {
  model?: string;
  revision?: string;
  size?: [height: number, width: number];
  batch: number;
  threads: number | 'auto';
  hiddenStates?: number[];
}

export function addPlannedOptions(command: Command): Command {
  return command
    .argument('[model]', 'folder of the model, or its name on the hub (default: the one that ships with this program)')
    .addOption(modelOption('the same as the argument'))
    .addOption(revisionOption())
    .addOption(sizeOption())
    .option('--batch <n>', 'pictures at once', wholeNumber(1, 1024), 1)
    .option('--hidden-states <list>', 'hidden states that are asked for as well, such as 9,12', hiddenStates)
    .addOption(deviceOption())
    .addOption(threadsOption('threads to compute with'))
    .addOption(memoryOption());
}

/** @param dir the argument */
export async function loadPlanned(dir: string | undefined, flags: PlannedFlags, session: Session) {
  const folder = folderOf(dir, flags);
  const { device, memory, threads, batch, hiddenStates: hidden = false } = flags;
  const config = await withDownloads(flags, session, (hub) => MobileNetV2Config.from_pretrained(folder, { ...hub }));
  const architecture = architectureOf(config);
  const model = await withDownloads(flags, session, (hub) =>
    modelClass(architecture).from_pretrained(folder, { ...hub, device, memory, threads }),
  );
  const dims: InputDims = [batch, config.num_channels, ...(flags.size ?? imageSize(config))];
  return { folder, architecture, model, dims, hidden };
}
