/** docs/serve.md says nothing that does not hold. Its programs in Python are run by clients/docs_serve.py. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blocks } from '../../../test/helpers/pages.js';
import { type RunningServer, serve } from '../src/serve.js';

const ROOT = new URL('../../../', import.meta.url);
const path = (name: string) => fileURLToPath(new URL(name, ROOT));
const page = readFileSync(path('docs/serve.md'), 'utf8');
/** --json is younger than some curls. */
const CURL = spawnSync('curl', ['--help', 'all'], { encoding: 'utf8' }).stdout?.includes('--json');
if (!CURL) console.log('docs/serve.md: no curl with --json here, its commands are not run');
const ADDRESS = 'http://127.0.0.1:8080';

let server: RunningServer;
beforeAll(async () => {
  const models = [{ name: 'mobilenet_v2' }, { name: 'deeplab', where: path('weights/deeplabv3_mobilenet_v2_0.5_513') }];
  server = await serve({ port: 0, workers: 1, models });
});
afterAll(() => server.close());

/** What a command prints, run where the pictures are. */
async function printed(command: string, file = 'bash', words = ['-ec', command]): Promise<string> {
  const child = spawn(file, words, { cwd: path('examples'), stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (part) => {
    text += part;
  });
  await once(child, 'close');
  return text.trimEnd();
}

/** What is promised after an arrow; … stands for anything. */
const pattern = (promised: string): RegExp =>
  new RegExp(
    `^${promised
      .split('…')
      .map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
      .join('.*')}$`,
    's',
  );

const commands = blocks(page, 'sh served').flatMap((block) =>
  [...block.matchAll(/(.+?)\n# → ([^\n]*)\n/gs)].map(([, command, promised]) => ({
    command: command.trim(),
    promised,
  })),
);

describe('docs/serve.md', () => {
  it.skipIf(!CURL).each(commands)('$command', async ({ command, promised }) => {
    expect(await printed(command.replaceAll(ADDRESS, server.url))).toMatch(pattern(promised));
  });

  it('has commands, each with what it prints', () => {
    const lines = blocks(page, 'sh served').flatMap((block) => block.trimEnd().split('\n'));
    expect(commands.length).toBeGreaterThan(12);
    expect(lines).toHaveLength(2 * commands.length);
  });

  it('has the flags of --help', async () => {
    const [help] = blocks(page, 'text help');
    expect(await printed('', process.execPath, [path('packages/server/dist/bin/serve.js'), '--help'])).toBe(
      help.trimEnd(),
    );
  });
});
