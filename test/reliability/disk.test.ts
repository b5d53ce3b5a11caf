/** Row R5 and what disks do: full, read-only, cut off; a pipe closed, a run interrupted. Nothing half-written stays. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { MobileNetV2ForImageClassification, RawImage } from '../../src/entries/main-node.js';
import { CLI, cli, ROOT, temporaryFolder } from '../helpers/cli.js';
import { readGoldens } from '../helpers/goldens.js';
import { saveTinyClassifier, saveTinySegmenter, stripes } from '../helpers/tiny.js';
import { Ledger } from './ledger.js';
import { classifier } from './models.js';

const ledger = new Ledger('disk', 'npx vitest run test/reliability/disk.test.ts');

/** A file system of that many bytes, read-only on demand; null where this user may not mount one. */
function mount(size: string): { folder: string; lock: () => void } | null {
  const folder = temporaryFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder], { stdio: 'pipe' });
  } catch {
    return null;
  }
  onTestFinished(() => void execFileSync('umount', ['-l', folder]));
  return { folder, lock: () => void execFileSync('mount', ['-o', 'remount,ro', folder]) };
}

let canMount = false;
let base: string;
beforeAll(async () => {
  base = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
  await saveTinyClassifier(`${base}/classifier`);
  await saveTinySegmenter(`${base}/segmenter`);
  mkdirSync(`${base}/photos`);
  for (let n = 0; n < 40; n++) writeFileSync(`${base}/photos/${n}.png`, stripes(n, 64, 48));
  canMount = process.platform === 'linux' && process.getuid?.() === 0;
  if (!canMount) console.log('not root: tests that mount a small or read-only disk are left out');
});
afterAll(() => void execFileSync('rm', ['-rf', base]));

/** Names in a folder, hidden ones too. */
const inside = (folder: string): string[] => readdirSync(folder).sort();
const oneLine = /^mobilenet-v2: [^\n]+\n$/;

describe('a full disk', () => {
  it('features leave nothing, and an earlier file stays', async (context) => {
    const disk = canMount ? mount('16k') : null;
    if (disk === null) return context.skip('cannot mount');
    writeFileSync(`${disk.folder}/f.npy`, 'earlier');
    for (const name of ['f.npy', 'new.safetensors']) {
      const args = ['features', `${base}/photos`, '--no-pool', '--model', `${base}/classifier`];
      const { code, stdout, stderr } = await cli([...args, '--out', `${disk.folder}/${name}`, '--quiet']);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(oneLine);
      expect(stderr).toMatch(/ENOSPC/);
      expect(inside(disk.folder)).toEqual(['f.npy']);
      expect(readFileSync(`${disk.folder}/f.npy`, 'utf8')).toBe('earlier');
    }
    ledger.add({ what: 'Disk full while features are written', tried: 2 });
  });

  it('segment has a result or an error for every picture, and no half of a mask', async (context) => {
    const disk = canMount ? mount('48k') : null;
    if (disk === null) return context.skip('cannot mount');
    const out = `${disk.folder}/masks`;
    const args = ['segment', `${base}/photos`, '--model', `${base}/segmenter`, '--out', out, '--ndjson', '--quiet'];
    const { code, stdout } = await cli(args);
    expect(code).toBe(1);
    const lines = stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
    expect(lines).toHaveLength(40);
    const failed = lines.filter(({ error }) => error !== undefined);
    expect(failed.length).toBeGreaterThan(0);
    for (const { error } of failed) expect(error).toMatchObject({ code: expect.stringMatching(/^(IO|ENOSPC)$/) });
    expect(inside(out).filter((name) => !/^\d+\.(mask|overlay)\.png$/.test(name))).toEqual([]);
    for (const name of inside(out)) await RawImage.read(`${out}/${name}`); // each is whole
    ledger.add({ what: 'Disk full while masks are written', tried: failed.length });
  });

  it('save_pretrained leaves the earlier model as it was', async (context) => {
    const disk = canMount ? mount('1m') : null;
    if (disk === null) return context.skip('cannot mount');
    await saveTinyClassifier(disk.folder);
    const before = inside(disk.folder).map((name) => readFileSync(`${disk.folder}/${name}`));
    const error = await classifier()
      .save_pretrained(disk.folder)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'MobileNetError', code: 'IO', file: disk.folder });
    expect((error as Error).message).toContain('the disk is full (ENOSPC)');
    expect(inside(disk.folder).map((name) => readFileSync(`${disk.folder}/${name}`))).toEqual(before);
    await MobileNetV2ForImageClassification.from_pretrained(disk.folder);
    ledger.add({ what: 'Disk full while a model is saved', tried: 1 });
  });

  it('standard output on it ends the run with one line', async (context) => {
    if (process.platform !== 'linux') return context.skip('there is no /dev/full');
    const { status, stderr } = await shell(
      `"${process.execPath}" "${CLI}" classify photos --model classifier --ndjson > /dev/full`,
    );
    expect(status).toBe(1);
    expect(stderr).toMatch(oneLine);
    expect(stderr).toMatch(/ENOSPC|no space/);
    ledger.add({ what: 'Standard output on a full disk', tried: 1 });
  });

  it('a limit on the size of files is like one', async (context) => {
    if (process.platform !== 'linux') return context.skip('there is no ulimit -f');
    mkdirSync(`${base}/limited`, { recursive: true });
    const { status, stdout, stderr } = await shell(
      `ulimit -f 8; "${process.execPath}" "${CLI}" features photos --no-pool --model classifier --out limited/f.npy --quiet`,
    );
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^mobilenet-v2: .*EFBIG[^\n]*\n$/);
    expect(inside(`${base}/limited`)).toEqual([]);
    ledger.add({ what: 'Limit on the size of files', tried: 1 });
  });
});

/** A command line of bash in the folder of models and pictures. */
function shell(command: string): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = spawn('bash', ['-c', command], { cwd: base });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, stdout, stderr })));
}

describe('a folder that cannot be written to', () => {
  let folder: string;
  let lock: () => void;
  let locked: boolean;
  beforeEach(() => {
    const disk = canMount ? mount('16m') : null;
    // Nothing is forbidden to root but by the file system; others are stopped by permissions.
    folder = disk?.folder ?? temporaryFolder();
    lock = disk?.lock ?? (() => chmodSync(folder, 0o555));
    locked = disk !== null || process.getuid?.() !== 0;
  });

  it('models are read from it and every way of writing is one line', async (context) => {
    if (!locked) return context.skip('root, but no mount');
    await saveTinyClassifier(`${folder}/model`);
    await saveTinySegmenter(`${folder}/segmenter`);
    lock();
    const files = inside(`${folder}/model`);
    const read = await cli(['classify', `${base}/photos/1.png`, '--model', `${folder}/model`, '--json']);
    expect(read).toMatchObject({ code: 0, stderr: '' });
    for (const args of [
      ['features', `${base}/photos`, '--model', `${folder}/model`, '--out', `${folder}/f.npy`, '--quiet'],
      ['segment', `${base}/photos`, '--model', `${folder}/segmenter`, '--out', `${folder}/masks`, '--quiet'],
    ]) {
      const { code, stdout, stderr } = await cli(args);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(oneLine);
      expect(stderr).toMatch(/read-only|EACCES/);
    }
    const model = await MobileNetV2ForImageClassification.from_pretrained(`${folder}/model`);
    await expect(model.save_pretrained(`${folder}/model`)).rejects.toMatchObject({ code: 'IO' });
    await expect(model.save_pretrained(`${folder}/other`)).rejects.toMatchObject({ code: 'IO' });
    expect(inside(`${folder}/model`)).toEqual(files);
    expect(inside(folder)).toEqual(['model', 'segmenter']);
    ledger.add({ what: 'Read-only folder: reading works, writing is refused', tried: 5 });
  });
});

// Threads that decode are up by then: once they kept the process alive for ever.
it.each([
  ['classify', ['--model', 'none']],
  ['classify', ['--model', 'photos']],
  ['features', ['--model', 'classifier', '--out', 'none/f.npy']],
  ['features', ['--model', 'classifier', '--out', '.npy/f.npy']],
  ['segment', ['--model', 'classifier', '--out', 'masks']],
  ['segment', ['--model', 'segmenter', '--out', 'photos/1.png']],
])('%s photos %j fails before the first picture, and ends', async (command, args) => {
  const { code, stdout, stderr } = await cli([command, 'photos', ...args, '--quiet'], { cwd: base, stdin: null });
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(oneLine);
  ledger.add({ what: 'Failure before the first picture', tried: 1 });
});

describe('an end from outside', () => {
  const run = (args: string[], watch: (stdout: string, child: ChildProcess) => void) =>
    cli(args, { cwd: base, stdin: null, watch });
  const records = (stdout: string) =>
    stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));

  it.each(['SIGINT', 'SIGTERM'] as const)('%s: whole lines, and no file but whole ones', async (signal) => {
    const folder = temporaryFolder();
    const stop = (_: string, child: ChildProcess) => {
      if (!child.killed) child.kill(signal);
    };
    const code = { SIGINT: 130, SIGTERM: 143 }[signal];
    for (const threads of ['1', '2']) {
      const common = ['--ndjson', '--threads', threads];
      const masks = await run(
        ['segment', 'photos', '-', '--model', 'segmenter', '--out', `${folder}/masks`, ...common],
        stop,
      );
      expect(masks).toMatchObject({ code, stderr: '' });
      expect(records(masks.stdout).length).toBeGreaterThan(0);
      for (const name of inside(`${folder}/masks`)) {
        expect(name).toMatch(/^\d+\.(mask|overlay)\.png$/);
        await RawImage.read(`${folder}/masks/${name}`);
      }
      const out = `${folder}/f.npy`;
      const rows = await run(['features', 'photos', '-', '--model', 'classifier', '--out', out, ...common], stop);
      expect(rows).toMatchObject({ code, stderr: '' });
      expect(records(rows.stdout).length).toBeGreaterThan(0);
      expect(inside(folder)).toEqual(['masks']);
    }
    ledger.add({ what: `${signal} in a batch`, tried: 4 });
  });

  it('SIGKILL leaves whole results, and at most hidden temporary files; the next run succeeds', async () => {
    const folder = temporaryFolder();
    const args = ['segment', 'photos', '--model', 'segmenter', '--out', `${folder}/masks`, '--ndjson'];
    for (let n = 0; n < 5; n++) {
      const { code, stdout } = await run(args, (text, child) => {
        if (text.split('\n').length > n * 3) child.kill('SIGKILL');
      });
      expect(code).toBeNull();
      records(stdout);
      for (const name of inside(`${folder}/masks`).filter((own) => !own.startsWith('.'))) {
        await RawImage.read(`${folder}/masks/${name}`);
      }
    }
    const { code, stdout } = await run(args, () => {});
    expect(code).toBe(0);
    expect(records(stdout)).toHaveLength(40);
    ledger.add({ what: 'SIGKILL in a batch', tried: 5 });
  });

  it('a closed pipe: whole lines before it, exit code 0, nothing half-written', async () => {
    const folder = temporaryFolder();
    const node = `"${process.execPath}" "${CLI}"`;
    for (const [command, out] of [
      [`${node} classify photos --model classifier --ndjson`, null],
      [`${node} classify photos --model classifier`, null],
      [`${node} features photos --model classifier --ndjson --out ${folder}/f.safetensors`, 'f.safetensors'],
      [`${node} segment photos --model segmenter --out ${folder}/masks --ndjson`, 'masks'],
    ] as const) {
      const { status, stdout, stderr } = await shell(`set -o pipefail; ${command} | head -n 2`);
      expect({ command, status, stderr }).toEqual({ command, status: 0, stderr: '' });
      expect(stdout.split('\n')).toHaveLength(3);
      if (command.includes('ndjson')) expect(records(stdout)).toHaveLength(2);
      const left = inside(folder).filter((name) => name !== out && name !== 'masks');
      expect(left).toEqual([]);
      if (out === 'f.safetensors') {
        // The run may have been through before the pipe closed; then the file is whole.
        if (inside(folder).includes(out)) expect(readGoldens(`${folder}/${out}`).has('features')).toBe(true);
        execFileSync('rm', ['-f', `${folder}/${out}`]);
      }
      if (out === 'masks') {
        for (const name of inside(`${folder}/masks`)) await RawImage.read(`${folder}/masks/${name}`);
      }
      ledger.add({ what: 'Closed pipe', tried: 1 });
    }
  });

  it('standard error that nobody reads does not matter', async () => {
    const { status, stdout } = await shell(
      `exec 2>&-; "${process.execPath}" "${CLI}" classify photos/1.png none.png --model classifier --ndjson`,
    );
    expect(status).toBe(1);
    expect(records(stdout)).toHaveLength(2);
    ledger.add({ what: 'Closed standard error', tried: 1 });
  });
});

it('is the build of this tree', () => expect(CLI.startsWith(ROOT)).toBe(true));
