/** The README says nothing that does not run: its JavaScript, its commands and its links. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cli, ROOT, temporaryFolder } from './helpers/cli.js';

const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

function blocks(language: string): string[] {
  return [...README.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, code]) => code);
}

describe('README', () => {
  const programs = blocks('js');
  it.each(programs.map((code) => [code.slice(0, code.indexOf('\n')), code]))('%s', (_, code) => {
    // In the package's own folder its name means itself: dist/, which build.ts has brought up to date.
    const run = spawnSync(process.execPath, ['--input-type=module', '--eval', code], { cwd: ROOT, encoding: 'utf8' });
    expect(run.stderr).toBe('');
    const promised = [...code.matchAll(/\/\/ → (.*)/g)].map(([, line]) => line);
    expect(promised.length).toBeGreaterThan(0);
    expect(run.stdout.trimEnd().split('\n')).toEqual(promised);
  });

  // A command with --model wants a folder that does not ship.
  const commands = [
    ...blocks('sh')
      .join('')
      .matchAll(/npx mobilenet-v2 ([^#\n]*)/g),
  ].map(([, line]) => line.trim());
  it.each(commands.filter((line) => !line.includes('--model')))('mobilenet-v2 %s', async (line) => {
    const folder = temporaryFolder();
    const words = line.split(' ').map((word) => (word.startsWith('examples') ? join(ROOT, word) : word));
    const { code, stdout, stderr } = await cli(words, { cwd: folder });
    expect(code, stderr).toBe(0);
    expect(stdout).not.toBe('');
  });

  it('its first command names the dog', async () => {
    expect(commands[0]).toBe('classify examples/husky.png');
    const { stdout } = await cli(commands[0].split(' '));
    expect(stdout.split('\n')[1]).toMatch(/99\.4 % +Siberian husky/);
  });

  it('its links lead somewhere', () => {
    const links = [...README.matchAll(/\]\(([^)]+)\)/g)]
      .map(([, link]) => link)
      .filter((link) => !/^https?:/.test(link));
    expect(links.length).toBeGreaterThan(10);
    expect(links.filter((link) => !existsSync(join(ROOT, link)))).toEqual([]);
  });
});
