/** `mobilenet-v2 plan`: the steps a model really runs for an input, with their kernels and their place in memory. */
import type { Command } from 'commander';
import { describePlan, type Plan } from '../entries/main-node.js';
import { multiplyAdds } from '../layers/spec.js';
import { examples } from './options.js';
import { addPlannedOptions, loadPlanned, type PlannedFlags } from './planned-model.js';
import type { Session } from './session.js';
import { json } from './text.js';

export function addPlan(program: Command, session: Session): void {
  const command = program
    .command('plan')
    .summary('Show the steps a model runs.')
    .description('Show the steps a model runs: fused layers, kernels, the memory they share.');
  addPlannedOptions(command).action((dir: string | undefined, flags: PlannedFlags) => plan(dir, flags, session));
  examples(command, [
    'plan',
    'plan --size 96x128 --batch 4',
    'plan --size 224 --threads 1',
    'plan deeplabv3_mobilenet_v2_1.0_513 --hidden-states 9,12',
  ]);
}

async function plan(dir: string | undefined, flags: PlannedFlags, session: Session): Promise<void> {
  const { model, dims, hidden } = await loadPlanned(dir, flags, session);
  const made = model.plan(dims, { output_hidden_states: hidden });
  process.stdout.write(`${flags.json ? json(toRecord(made), 2) : describePlan(made)}\n`);
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
