/** Help at the widths of common terminals. */
import type { Command } from 'commander';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeProgram } from '../../src/cli/main.js';
import { Session } from '../../src/cli/session.js';

let all: Command[];
beforeAll(async () => {
  const program = await makeProgram(new Session());
  const below = (command: Command): Command[] => [command, ...command.commands.flatMap(below)];
  all = below(program).filter((command) => command.name() !== '__complete');
});

/** What `--help` prints. */
function helpOf(command: Command, width: number): string {
  const pieces: string[] = [];
  command.configureOutput({ getOutHelpWidth: () => width, writeOut: (more) => pieces.push(more) });
  command.outputHelp();
  return pieces.join('');
}

describe.each([80, 120])('help at %i columns', (width) => {
  it('has no line that is longer', () => {
    expect(all.length).toBeGreaterThan(14);
    for (const command of all) {
      for (const line of helpOf(command, width).split('\n')) expect(line.length, line).toBeLessThanOrEqual(width);
    }
  });

  it('leaves no short word alone on a line', () => {
    for (const command of all) {
      const alone = helpOf(command, width).match(/^( {8,}|(?=\S))\S{0,10}[^:\s]$/gm) ?? [];
      expect(alone, command.name()).toEqual([]);
    }
  });
});

it('every flag and argument is described, and short flags are the same everywhere', () => {
  const longOf = new Map<string, string>();
  for (const command of all) {
    for (const { long, short, description } of command.options) {
      expect(description, `${command.name()} ${long}`).not.toBe('');
      if (short) expect(longOf.get(short) ?? long, `${command.name()} ${short}`).toBe(long);
      if (short) longOf.set(short, long!);
    }
    for (const argument of command.registeredArguments) expect(argument.description, command.name()).not.toBe('');
  }
  for (const [short, long] of [
    ['-m', '--model'],
    ['-k', '--top-k'],
    ['-f', '--format'],
    ['-q', '--quiet'],
  ])
    expect(longOf.get(short)).toBe(long);
  expect(longOf.get('-o')).toBe('--out');
});
