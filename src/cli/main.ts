/** Puts the commands together, and turns whatever happens into an exit code and at most a line of text. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, type Option } from 'commander';
import { EXIT, errorLine, UsageError } from './errors.js';
import { forgetInputs } from './inputs.js';
import { obeyLimits } from './limits.js';
import { examples } from './options.js';
import { Session, Stopped } from './session.js';

/** In the order of the help. Each is loaded when it is named; what it needs takes half of the time to its first result. */
const COMMANDS: Record<string, () => Promise<(program: Command, session: Session) => void>> = {
  classify: async () => (await import('./classify.js')).addClassify,
  segment: async () => (await import('./segment.js')).addSegment,
  features: async () => (await import('./features.js')).addFeatures,
  similar: async () => (await import('./similar.js')).addSimilar,
  train: async () => (await import('./train.js')).addTrain,
  evaluate: async () => (await import('./evaluate.js')).addEvaluate,
  inspect: async () => (await import('./inspect.js')).addInspect,
  plan: async () => (await import('./plan.js')).addPlan,
  profile: async () => (await import('./profile.js')).addProfile,
  convert: async () => (await import('./convert.js')).addConvert,
  download: async () => (await import('./download.js')).addDownload,
  cache: async () => (await import('./cache.js')).addCache,
  completion: async () => (await import('./completion.js')).addCompletion,
};

export async function main(args: readonly string[]): Promise<void> {
  const session = new Session();
  session.listen();
  listenToOutput();
  forgetInputs();
  try {
    const program = await makeProgram(session, args[0]);
    await session.untilStopped(program.parseAsync(args, { from: 'user' }));
  } catch (error) {
    if (error instanceof Stopped) leave(session.exitCode);
    else if (error instanceof CommanderError) session.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    else {
      process.stderr.write(errorLine(error, { debug: args.includes('--debug') }));
      session.exitCode = error instanceof UsageError ? EXIT.usage : EXIT.failed;
    }
  }
  process.exitCode = session.exitCode;
}

/** @param command the first argument; where it names no command, all are there to be chosen from */
export async function makeProgram(session: Session, command = ''): Promise<Command> {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  // Settings come before the commands, which inherit them.
  const program = new Command('mobilenet-v2')
    .description('Classify and segment pictures with MobileNetV2, in plain JavaScript.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'Show the help of a command.')
    .showHelpAfterError('Add --help to see how it is used.')
    .exitOverride()
    .configureHelp({
      optionDescription: describeOption,
      argumentDescription: ({ description }) => description,
      subcommandTerm,
    })
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'mobilenet-v2: ')) });
  obeyLimits(program);
  const known = Object.hasOwn(COMMANDS, command);
  for (const [name, load] of Object.entries(COMMANDS)) {
    if (!known || name === command) (await load())(program, session);
  }
  examples(program, [
    'classify dog.jpg',
    'segment photos --model deeplabv3_mobilenet_v2_1.0_513',
    'similar dog.jpg photos',
    'train flowers --out trained',
    'inspect',
    'download google/mobilenet_v2_1.0_224',
  ]);
  program.addHelpText(
    'after',
    '\nEvery command has a --help of its own.\nExit codes: 0 all well, 1 something failed, 2 wrong usage.',
  );
  return program;
}

/** `classify [pictures...]`: that there are options goes without saying. */
function subcommandTerm(command: Command): string {
  return `${command.name()} ${command.usage().replace('[options]', '').trim()}`.trim();
}

/** `engine: auto, wasm, js, reference (default: auto)`: names without quotes, once. */
function describeOption({ description, argChoices, defaultValue, defaultValueDescription }: Option): string {
  const listed = argChoices === undefined || argChoices.every((choice) => description.includes(choice));
  const choices = listed ? '' : `: ${argChoices.join(', ')}`;
  const shown = defaultValueDescription ?? (typeof defaultValue === 'boolean' ? undefined : defaultValue);
  return `${description}${choices}${shown === undefined ? '' : ` (default: ${shown})`}`;
}

/** A stream of Node over a pipe. */
interface Piped {
  _handle?: { setBlocking?(blocking: boolean): unknown };
}

/** A reader such as `head` may close the pipe early: that is not an error. */
function listenToOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') process.stderr.write(errorLine(error));
    process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.failed);
  });
  process.stderr.on('error', () => {}); // there is no one left to tell
  // Node writes to pipes and waits for their readers inside the system, where it hears no signal.
  for (const stream of [process.stdout, process.stderr]) (stream as Piped)._handle?.setBlocking?.(false);
}

/** Milliseconds that the output may take to be through: its reader may have stopped reading. */
const LEAVE_MS = 300;

/** Ends a process that may still wait for standard input or the network, once the output is through. */
function leave(exitCode: number): void {
  process.stdout.write('', () => process.exit(exitCode));
  setTimeout(() => process.exit(exitCode), LEAVE_MS);
}
