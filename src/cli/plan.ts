/** `mobilenet-v2 plan`: the steps a model really runs for an input, with their kernels and their place in memory. */
import type { Command } from 'commander';
import { multiplyAdds } from '../layers/spec.js';
import { describePlan, MobileNetV2Config, type Plan } from '../node.js';
import { architectureOf, folderOf, imageSize, modelClass } from './checkpoint.js';
import { withDownloads } from './downloads.js';
import {
  type CommonFlags,
  debugOption,
  deviceOption,
  examples,
  hiddenStates,
  memoryOption,
  modelOption,
  revisionOption,
  sizeOption,
  wholeNumber,
} from './options.js';
import type { Session } from './session.js';

interface PlanFlags extends CommonFlags {
  model?: string;
  revision?: string;
  size?: [height: number, width: number];
  batch: number;
  hiddenStates?: number[];
}

export function addPlan(program: Command, session: Session): void {
  const command = program
    .command('plan')
    .summary('Show the steps a model runs.')
    .description('Show the steps a model runs: fused layers, the kernel of each, the memory they share.')
    .argument('[model]', 'folder of the model, or its name on the hub (default: the one that ships with this program)')
    .addOption(modelOption('the same as the argument'))
    .addOption(revisionOption())
    .addOption(sizeOption())
    .option('--batch <n>', 'pictures at once', wholeNumber(1, 1024), 1)
    .option('--hidden-states <list>', 'hidden states that are asked for as well, such as 9,12', hiddenStates)
    .addOption(deviceOption())
    .addOption(memoryOption())
    .option('--json', 'print a JSON object')
    .addOption(debugOption())
    .action((dir: string | undefined, flags: PlanFlags) => plan(dir, flags, session));
  examples(command, [
    'plan',
    'plan --size 96x128 --batch 4',
    'plan deeplabv3_mobilenet_v2_1.0_513 --hidden-states 9,12',
  ]);
}

async function plan(dir: string | undefined, flags: PlanFlags, session: Session): Promise<void> {
  const folder = folderOf(dir, flags);
  const { device, memory, batch, hiddenStates = false } = flags;
  const config = await withDownloads(flags, session, (hub) => MobileNetV2Config.from_pretrained(folder, { ...hub }));
  const model = await withDownloads(flags, session, (hub) =>
    modelClass(architectureOf(config)).from_pretrained(folder, { ...hub, device, memory }),
  );
  const [height, width] = flags.size ?? imageSize(config);
  const made = model.plan([batch, config.num_channels, height, width], hiddenStates);
  process.stdout.write(`${flags.json ? JSON.stringify(toRecord(made), null, 2) : describePlan(made)}\n`);
}

function toRecord({ engine, dims, steps, values, outputs, arenaBytes, multiplyAdds: total }: Plan) {
  return {
    device: engine,
    input: dims,
    outputs: outputs.map(({ name }) => name),
    multiply_adds: total,
    arena_bytes: arenaBytes,
    steps: steps.map(({ name, kernelName, spec, y }) => {
      const { batch, height, width, channels, offset } = values.get(y)!;
      return {
        name,
        kernel: kernelName,
        output: [batch, height, width, channels],
        multiply_adds: multiplyAdds(spec),
        arena_offset: offset * Float32Array.BYTES_PER_ELEMENT,
      };
    }),
  };
}
