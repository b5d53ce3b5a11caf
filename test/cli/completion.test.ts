/** The Tab key: what may follow, and the scripts in the shells that are installed here. */
import { spawnSync } from 'node:child_process';
import type { Command } from 'commander';
import { beforeAll, describe, expect, it } from 'vitest';
import { complete } from '../../src/cli/completion.js';
import { makeProgram } from '../../src/cli/main.js';
import { Session } from '../../src/cli/session.js';
import { CLI, cli } from '../helpers/cli.js';

let program: Command;
beforeAll(async () => {
  program = await makeProgram(new Session());
});
const following = (...words: string[]) => complete(program, words).map(({ word }) => word);

describe('what may follow', () => {
  it('is every command, and every option of one', () => {
    const commands = program.commands.filter(({ _hidden }: Command & { _hidden?: boolean }) => !_hidden);
    expect(commands.length).toBeGreaterThan(10);
    expect(following('')).toEqual([...commands.map((command) => command.name()), 'help']);
    for (const command of commands) {
      const visible = command.options.filter(({ hidden }) => !hidden).map(({ long }) => long);
      expect(following(command.name(), '-')).toEqual([...visible, '--help']);
    }
  });

  it.each([
    [['cl'], ['classify']],
    [['classify', '--top'], ['--top-k']],
    [['classify', '--format', 'c'], ['csv']],
    [['classify', '-f', 'nd'], ['ndjson']],
    [['classify', '--format=c'], ['--format=csv']],
    [['classify', '--format', '=', 'c'], ['csv']], // as bash takes it apart
    [
      ['classify', '--format', '='],
      ['table', 'lines', 'csv', 'json', 'ndjson'],
    ],
    [
      ['classify', '--limit', 'json'],
      ['json-bytes=', 'json-depth='],
    ],
    [['cache', 're'], ['remove']],
    [['cache', 'list', '--j'], ['--json']],
    [['help', 'seg'], ['segment']],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['download', 'm', '--include', 'a', 'b', '--ex'], ['--exclude']],
    // Files: the shell's own business.
    [['classify', ''], []],
    [['classify', '--model', 'c'], []],
    [['classify', '--model', 'cache', ''], []],
    [['nonsense', 'x', '--y'], []],
  ])('%j: %j', (words, expected) => {
    expect(following(...words)).toEqual(expected);
  });
});

/** Lines that a script prints in a shell in which the command is `mobilenet-v2`. */
function inShell(shell: string, script: string): string[] {
  const { stdout, stderr, status } = spawnSync(shell, ['-c', script], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout.trimEnd().split('\n');
}
const isThere = (shell: string) => spawnSync(shell, ['--version']).status === 0;
const title = (shell: string) => `${shell}${isThere(shell) ? '' : ` (no ${shell} here)`}`;
const command = `${process.execPath} ${CLI}`;

describe('the script', () => {
  it.skipIf(!isThere('bash'))(title('bash'), () => {
    const completed = (...words: string[]) =>
      inShell(
        'bash',
        `mobilenet-v2() { ${command} "$@"; }
        eval "$(mobilenet-v2 completion bash)"
        COMP_WORDS=(mobilenet-v2 ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}
        _mobilenet_v2 && printf '%s\\n' "\${COMPREPLY[@]}"`,
      );
    expect(completed('c')).toEqual(['classify', 'convert', 'cache', 'completion']);
    expect(completed('classify', '--fo')).toEqual(['--format']);
    expect(completed('classify', '--limit', 'image')).toEqual(['image-pixels=', 'image-bytes=']);
    expect(completed('classify', 'photo')).toEqual(['']);
  });

  it.skipIf(!isThere('zsh'))(title('zsh'), () => {
    const completed = (...words: string[]) =>
      inShell(
        'zsh',
        `mobilenet-v2() { ${command} "$@" }
        compdef() { } # there is no completion without a terminal
        eval "$(mobilenet-v2 completion zsh)"
        _describe() { print -l -- "\${(P@)2}" }
        _files() { print files }
        words=(mobilenet-v2 ${words.map((word) => `'${word}'`).join(' ')}); CURRENT=${words.length + 1}
        _mobilenet_v2`,
      );
    expect(completed('cla')).toEqual(['classify:Name what pictures show.']);
    expect(completed('classify', '-f', 'c')).toEqual(['csv:']);
    expect(completed('classify', 'photo')).toEqual(['files']);
  });

  it.skipIf(!isThere('fish'))(title('fish'), () => {
    const completed = (line: string) =>
      inShell(
        'fish',
        `function mobilenet-v2; ${command} $argv; end
        mobilenet-v2 completion fish | source
        complete -C '${line}'`,
      );
    expect(completed('mobilenet-v2 cla')).toEqual(['classify\tName what pictures show.']);
    expect(completed('mobilenet-v2 classify --fo')[0]).toMatch(/^--format\t/);
    expect(completed('mobilenet-v2 classify examples/no-such-file')).toEqual(['']);
  });

  it('of an unknown shell is refused with those that are known', async () => {
    const { code, stdout, stderr } = await cli(['completion', 'tcsh']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('bash, zsh, fish');
  });
});
