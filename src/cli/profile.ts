/** `mobilenet-v2 profile`: what each step of a model takes on this machine, and how near its limit that is. */

import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import { type Profile, type ProfileRow, Tensor } from '../entries/main-node.js';
import { elementCount } from '../tensor/shape.js';
import { examples, outputPath, wholeNumber } from './options.js';
import { addPlannedOptions, loadPlanned, type PlannedFlags } from './planned-model.js';
import { profilePage, profileText } from './profile-page.js';
import type { Session } from './session.js';
import { shapeOf } from './shape.js';
import { writeWhole } from './temporary-file.js';
import { json } from './text.js';

interface ProfileFlags extends PlannedFlags {
  runs: number;
  html?: string;
}

export function addProfile(program: Command, session: Session): void {
  const command = program
    .command('profile')
    .summary('Time the steps of a model.')
    .description(
      'Time the steps of a model: milliseconds, multiply-adds a second, and the share of what this machine can.',
    );
  addPlannedOptions(command, (own) =>
    own
      .option('-n, --runs <n>', 'runs that are timed', wholeNumber(1, 100_000), 20)
      .option('--html <file>', 'write a page with a bar for every step as well', outputPath),
  ).action((dir: string | undefined, flags: ProfileFlags) => profile(dir, flags, session));
  examples(command, [
    'profile --size 224 --threads 1',
    'profile deeplabv3_mobilenet_v2_1.0_513 --html profile.html',
    'profile --device js --runs 5 --json',
  ]);
}

async function profile(dir: string | undefined, flags: ProfileFlags, session: Session): Promise<void> {
  const { runs, html } = flags;
  const { folder, architecture, model, dims, hidden } = await loadPlanned(dir, flags, session);
  model.plan(dims); // refuses what no memory holds, before the picture is made
  // Any picture will do: no kernel's time depends on what it shows.
  const pixels = new Float32Array(elementCount(dims)).map((_, i) => Math.sin(i * 0.37));
  const pixel_values = new Tensor('float32', pixels, dims);
  const { signal } = session;
  const made = await model.profile({ pixel_values, output_hidden_states: hidden, signal }, { runs });
  model.dispose();
  if (html !== undefined) {
    const name = folder === undefined ? architecture : basename(resolve(folder));
    writeWhole(html, new TextEncoder().encode(profilePage(made, name)));
  }
  process.stdout.write(`${flags.json ? json(toRecord(made), 2) : profileText(made)}\n`);
}

/** Times in milliseconds, the peak and rates in multiply-adds a second. */
function toRecord({ engine, dims, threads, runs, peak, peakType, steps, total }: Profile) {
  return {
    device: engine,
    input: dims,
    threads,
    runs,
    peak_multiply_adds_per_second: peak === null ? null : peak * 1e9,
    peak_type: peakType,
    total: toFigures(total),
    steps: steps.map((step) => ({
      name: step.name,
      kernel: step.kernelName,
      shape: shapeOf(step.spec),
      ...toFigures(step),
    })),
  };
}

const toFigures = ({ multiplyAdds, min, median, gmacs, share }: ProfileRow) => ({
  multiply_adds: multiplyAdds,
  min_ms: min,
  median_ms: median,
  multiply_adds_per_second: gmacs * 1e9,
  share_of_peak: share,
});
