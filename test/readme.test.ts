/** The README says nothing that does not run: its JavaScript, its commands and its links. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cli, ROOT, temporaryFolder } from './helpers/cli.js';
import { blocks, expectPromised, localLinks } from './helpers/pages.js';

const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

describe('README', () => {
  const programs = blocks(README, 'js');
  it.each(programs.map((code) => [code.slice(0, code.indexOf('\n')), code]))('%s', (_, code) => expectPromised(code));

  // Left out: what wants a model or pictures that do not ship, or the network.
  const elsewhere = /--model|^(download|convert|train) /;
  const commands = [
    ...blocks(README, 'sh')
      .join('')
      .matchAll(/npx mobilenet-v2 ([^#\n]*)/g),
  ].map(([, line]) => line.trim());
  it.each(commands.filter((line) => !elsewhere.test(line)))('mobilenet-v2 %s', async (line) => {
    const folder = temporaryFolder();
    const words = line.split(' ').map((word) => (word.startsWith('examples') ? join(ROOT, word) : word));
    const { code, stdout, stderr } = await cli(words, { cwd: folder });
    expect(code, stderr).toBe(0);
    expect(stdout).not.toBe('');
  });

  it('its first command names the dog', async () => {
    expect(commands[0]).toBe('classify examples/dog.jpg');
    const { stdout } = await cli(commands[0].split(' '));
    expect(stdout.split('\n')[1]).toMatch(/37\.\d % +malamute/);
  });

  it('its links lead somewhere', () => {
    // Absolute, because npm shows the page without the repository; unpkg has every file of the package.
    expect(localLinks(README)).toEqual([]);
    const links = [...README.matchAll(/\]\(https:\/\/unpkg\.com\/mobilenet-v2\/([^)#]+)/g)].map(([, link]) => link);
    expect(links.length).toBeGreaterThan(10);
    expect(links.filter((link) => !existsSync(join(ROOT, link)))).toEqual([]);
    const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { files: string[] };
    const isPacked = (link: string) => files.some((entry) => link === entry || link.startsWith(`${entry}/`));
    expect(links.filter((link) => !isPacked(link))).toEqual([]);
  });
});
