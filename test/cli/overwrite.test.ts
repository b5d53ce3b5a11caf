/** Before `convert` writes over a model that is there. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import { mayOverwrite } from '../../src/cli/overwrite.js';
import { Session } from '../../src/cli/session.js';
import { CLI, cli, temporaryFolder } from '../helpers/cli.js';

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
  mkdirSync(`${folder}/out`);
  writeFileSync(`${folder}/out/config.json`, 'mine');
  const h5 = readFileSync(new URL('../goldens/convert/sequential.h5.gz', import.meta.url));
  writeFileSync(`${folder}/flowers.h5`, gunzipSync(h5));
});
const config = () => readFileSync(`${folder}/out/config.json`, 'utf8');

describe('convert', () => {
  it('refuses without a terminal, before anything is read, unless it is told --force or --yes', async () => {
    const refused = await cli(['convert', 'none.h5', 'out'], { cwd: folder });
    expect(refused).toEqual({
      code: 2,
      stdout: '',
      stderr: 'mobilenet-v2: out has config.json already; --force overwrites, or name another folder\n',
    });
    for (const flag of ['--force', '--yes', '-y']) {
      writeFileSync(`${folder}/out/config.json`, 'mine');
      expect((await cli(['convert', 'flowers.h5', 'out', flag], { cwd: folder })).code).toBe(0);
      expect(config()).toContain('mobilenet_v2');
    }
  });

  it('writes beside other files without a question', async () => {
    mkdirSync(`${folder}/new`);
    writeFileSync(`${folder}/new/README.md`, '');
    expect((await cli(['convert', 'flowers.h5', 'new'], { cwd: folder })).code).toBe(0);
    expect(existsSync(`${folder}/new/model.safetensors`)).toBe(true);
  });

  // script(1) of util-linux gives a program a terminal.
  const script = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') === true;
  it.skipIf(!script).each([
    ['y\n', 0],
    ['n\n', 1],
    ['\n', 1],
  ])(`asks at a terminal${script ? '' : ' (no script of util-linux)'}: %j exits %i`, (answer, code) => {
    const command = `${process.execPath} ${CLI} convert flowers.h5 out`;
    const { status, stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
      cwd: folder,
      input: answer,
      encoding: 'utf8',
    });
    expect(stdout).toContain('out has config.json already. Overwrite? [y/N]');
    expect(status).toBe(code);
    expect(config() === 'mine').toBe(code === 1);
  });
});

describe('the question', () => {
  async function ask(answer: string | null): Promise<{ may: boolean; asked: string }> {
    const input = Object.assign(new PassThrough(), { isTTY: true });
    const output = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY: true });
    const may = mayOverwrite(`${folder}/out`, ['config.json', 'model.safetensors'], new Session(), { input, output });
    if (answer === null) input.end();
    else input.write(answer);
    return { may: await may, asked: output.read() };
  }

  it.each([
    ['y\n', true],
    [' Yes \n', true],
    ['yep\n', false],
    ['\n', false],
    [null, false],
  ])('%j', async (answer, may) => {
    expect(await ask(answer)).toEqual({ may, asked: `${folder}/out has config.json already. Overwrite? [y/N] ` });
  });
});
