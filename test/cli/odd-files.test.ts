/** Files that are inputs and outputs at once, private files, leftovers of killed runs, names that steer a terminal. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { cli, temporaryFolder } from '../helpers/cli.js';
import { saveTinyClassifier, saveTinySegmenter, stripes } from '../helpers/tiny.js';

let folder: string;
beforeEach(async () => {
  folder = temporaryFolder();
  await saveTinyClassifier(`${folder}/model`);
});

const run = (args: string[], node: string[] = []) => cli(args, { cwd: folder, node });
const classify = ['classify', '--model', 'model'];

describe('a file that is read', () => {
  it.each([
    ['a.png', () => {}],
    ['./a.png', () => {}],
    ['link.png', () => symlinkSync('a.png', `${folder}/link.png`)],
    ['hard.png', () => linkSync(`${folder}/a.png`, `${folder}/hard.png`)],
  ])('is not written over by an explanation: %s', async (target, prepare) => {
    const bytes = stripes(1);
    writeFileSync(`${folder}/a.png`, bytes);
    prepare();
    const { code, stdout, stderr } = await run([...classify, 'a.png', '--explain', target]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe(
      `mobilenet-v2: ${target}: is a file that this run reads; nothing was written to it; name another place for the result\n`,
    );
    expect(readFileSync(`${folder}/a.png`).equals(bytes)).toBe(true);
  });

  it('is not written over where a result in a folder is a link to it', async () => {
    await saveTinySegmenter(`${folder}/segmenter`);
    const bytes = stripes(1);
    writeFileSync(`${folder}/a.png`, bytes);
    mkdirSync(`${folder}/out`);
    for (const name of ['a.why.png', 'a.mask.png']) symlinkSync('../a.png', `${folder}/out/${name}`);
    for (const args of [
      [...classify, 'a.png', '--explain', 'out'],
      ['segment', 'a.png', '--model', 'segmenter', '--out', 'out'],
    ]) {
      expect(await run(args)).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('this run reads') });
      expect(readFileSync(`${folder}/a.png`).equals(bytes)).toBe(true);
    }
  });

  it('is not written over where it is a part of the model, and its other files can be', async () => {
    writeFileSync(`${folder}/a.png`, stripes(1));
    const before = readFileSync(`${folder}/model/model.safetensors`);
    const features = ['features', 'a.png', '--model', 'model', '--out'];
    expect(await run([...features, 'model/model.safetensors'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('this run reads'),
    });
    expect(readFileSync(`${folder}/model/model.safetensors`).equals(before)).toBe(true);
    for (let n = 0; n < 2; n++) expect((await run([...features, 'model/a.npy'])).code).toBe(0);
    expect(await run(['profile', 'model', '--runs', '1', '--html', 'model/config.json'])).toMatchObject({ code: 1 });
  });

  it('is not converted onto itself, by whatever name', async () => {
    const before = readdirSync(`${folder}/model`).map((name) => readFileSync(`${folder}/model/${name}`));
    symlinkSync('model', `${folder}/same`);
    for (const [from, to] of [
      ['model', 'model'],
      ['model/', './model'],
      ['same', 'model'],
      ['model', 'same'],
      ['model/model.safetensors', 'model'],
      ['same/model.safetensors', 'model'],
    ]) {
      const { code, stdout, stderr } = await run(['convert', from, to, '--force']);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toBe(
        `mobilenet-v2: ${to} is where the model to be converted lies; name another folder to write\n`,
      );
    }
    expect(readdirSync(`${folder}/model`).map((name) => readFileSync(`${folder}/model/${name}`))).toEqual(before);
    expect((await run(['convert', 'model', 'other'])).code).toBe(0);
    expect((await run(['convert', 'model', 'other', '--force'])).code).toBe(0);
  });
});

describe('files that are written', () => {
  beforeEach(() => writeFileSync(`${folder}/a.png`, stripes(1)));
  const modeOf = (path: string) => statSync(`${folder}/${path}`).mode & 0o777;

  it('keep the permissions of those they replace', async () => {
    for (const mode of [0o600, 0o640, 0o666]) {
      for (const name of ['why.png', 'f.npy']) {
        writeFileSync(`${folder}/${name}`, 'earlier');
        chmodSync(`${folder}/${name}`, mode);
      }
      expect((await run([...classify, 'a.png', '--explain', 'why.png'])).code).toBe(0);
      expect((await run(['features', 'a.png', '--model', 'model', '--out', 'f.npy'])).code).toBe(0);
      expect([modeOf('why.png'), modeOf('f.npy')]).toEqual([mode, mode]);
    }
    for (const name of readdirSync(`${folder}/model`)) chmodSync(`${folder}/model/${name}`, 0o600);
    expect((await run(['convert', 'model', 'copy'])).code).toBe(0);
    chmodSync(`${folder}/copy/model.safetensors`, 0o600);
    expect((await run(['convert', 'model', 'copy', '--force'])).code).toBe(0);
    expect(modeOf('copy/model.safetensors')).toBe(0o600);
  });

  it('may have names as long as names can be', async () => {
    const long = (end: string) => 'n'.repeat(255 - end.length) + end;
    expect((await run([...classify, 'a.png', '--explain', long('.png')])).code).toBe(0);
    expect((await run(['features', 'a.png', '--model', 'model', '--out', long('.safetensors')])).code).toBe(0);
    await saveTinySegmenter(`${folder}/segmenter`);
    // Names of the results are longer than that of the picture; letters of three bytes count three.
    const pictures = [long('.png'), `${'n'.repeat(250)}x.png`, `${'語'.repeat(83)}.png`];
    for (const name of pictures) writeFileSync(`${folder}/${name}`, stripes(2));
    const { code, stdout } = await run(['segment', ...pictures, '--model', 'segmenter', '--out', 'masks', '--json']);
    expect(code).toBe(0);
    const written: string[] = JSON.parse(stdout).flatMap((each: { mask: string; overlay: string }) => [
      each.mask,
      each.overlay,
    ]);
    expect(new Set(written).size).toBe(6);
    expect(readdirSync(`${folder}/masks`).sort()).toEqual(written.map((path) => path.slice('masks/'.length)).sort());
  });

  it('do not meet those that a killed run of the same number left, which go after an hour', async () => {
    // The number of a process is the same in every run of a container.
    writeFileSync(`${folder}/pid.cjs`, "Object.defineProperty(process, 'pid', { value: 1 });");
    const left = [1, 2].map((n) => `.mobilenet-v2-0000000${n}-0000-4000-8000-000000000000.tmp`);
    for (const name of left) writeFileSync(`${folder}/${name}`, 'half');
    for (const name of ['.f.npy.1-0.tmp', '.why.png.1-0.tmp']) writeFileSync(`${folder}/${name}`, 'of 0.12');
    const old = new Date(Date.now() - 2 * 3_600_000);
    utimesSync(`${folder}/${left[0]}`, old, old);
    for (let n = 0; n < 2; n++) {
      const node = ['--require', './pid.cjs'];
      expect((await run(['features', 'a.png', '--model', 'model', '--out', 'f.npy'], node)).code).toBe(0);
      expect((await run([...classify, 'a.png', '--explain', 'why.png'], node)).code).toBe(0);
    }
    expect(readdirSync(folder).filter((name) => name.startsWith('.mobilenet'))).toEqual([left[1]]);
  });
});

describe('names that steer a terminal', () => {
  const name = 'a\x1b]0;title\x07\u009b31m\u202egnp.exe\u2028.png';

  it('are escaped in every form of output, and JSON has their value', async () => {
    writeFileSync(`${folder}/${name}`, 'no picture');
    for (const form of ['--json', '--ndjson', '--debug', '--format=table', '--format=lines']) {
      const { stdout, stderr } = await run([...classify, name, form]);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
      expect(`${stdout}${stderr}`).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]/);
      if (form === '--json') expect(JSON.parse(stdout)[0].file).toBe(name);
      if (form === '--ndjson') expect(JSON.parse(stdout).file).toBe(name);
      if (form === '--debug') expect(stderr).toMatch(/\n +at /);
    }
  });
});

describe('what never ends, or is no plain file', () => {
  beforeEach(() => writeFileSync(`${folder}/a.png`, stripes(1)));

  it('is read up to its limit as a list or labels', async (context) => {
    if (process.platform !== 'linux') return context.skip('there is no /dev/zero');
    const labels = await run(['convert', 'model', 'out', '--labels', '/dev/zero', '--force']);
    expect(labels).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('--labels: /dev/zero: more than'),
    });
    const list = await run([...classify, '--files-from', '/dev/zero']);
    expect(list).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('of names') });
    const picture = await run([...classify, '/dev/zero', '--limit', 'image-bytes=1M', '--ndjson']);
    expect(JSON.parse(picture.stdout).error.code).toBe('LIMIT');
  });

  it('gives pictures and lists: /dev/stdin, process substitution, a named pipe', async (context) => {
    if (process.platform === 'win32') return context.skip('there are no such pipes');
    const node = `"${process.execPath}" "${(await import('../helpers/cli.js')).CLI}" classify --model model --ndjson`;
    execFileSync('mkfifo', [`${folder}/pipe.png`]);
    const shell = (command: string) => execFileSync('bash', ['-c', command], { cwd: folder, encoding: 'utf8' });
    const [{ labels }] = JSON.parse((await run([...classify, 'a.png', '--json'])).stdout);
    for (const command of [
      `cat a.png | ${node} /dev/stdin`,
      `${node} /dev/stdin < a.png`,
      `${node} <(sleep 0.5; cat a.png)`,
      `${node} <(cat a.png)`,
      `(sleep 1; cat a.png > pipe.png) & ${node} pipe.png`,
      `${node} --files-from <(echo a.png)`,
    ]) {
      expect(JSON.parse(shell(command)).labels).toEqual(labels);
    }
    expect(() => shell(`${node} <(true) 2>/dev/null`)).toThrow();
  });

  it('is refused as weights and configuration', async (context) => {
    if (process.platform === 'win32') return context.skip('there are no such pipes');
    for (const file of ['model.safetensors', 'config.json']) {
      execFileSync('mv', [`${folder}/model/${file}`, `${folder}/kept`]);
      execFileSync('mkfifo', [`${folder}/model/${file}`]);
      const { code, stderr } = await run([...classify, 'a.png']);
      expect(code).toBe(1);
      expect(stderr).toBe(
        `mobilenet-v2: model/${file}: expected a plain file, got a pipe; copy what it gives into a file\n`,
      );
      execFileSync('mv', [`${folder}/kept`, `${folder}/model/${file}`]);
    }
    for (const args of [
      ['convert', 'pipe.bin', 'out'],
      ['similar', 'a.png', '--features', 'pipe.npy'],
    ]) {
      execFileSync('mkfifo', [`${folder}/${args.find((each) => each.startsWith('pipe'))}`]);
      expect(await run(args)).toMatchObject({ stdout: '', stderr: expect.stringContaining('got a pipe') });
    }
  });
});
