/** The cache under many processes, kills, full and locked disks, the command line, and Python's huggingface_hub. */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import {
  hf_hub_download,
  hubFolder,
  removeFromCache,
  scanCache,
  snapshot_download,
  verifyCache,
} from '../../../../src/entries/hub-node.js';
import { MobileNetV2ForImageClassification } from '../../../../src/entries/main-node.js';
import { CLI, cli, ROOT } from '../../../helpers/cli.js';
import {
  downloadsOf,
  files,
  filesBelow,
  hashOf,
  leftovers,
  REPO,
  refusal,
  testHub,
  WEIGHTS,
} from '../../../hub/helpers.js';
import { COMMIT, type Hub } from '../../../hub/server.mjs';

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A program in a process of its own; as nobody where it may not be root, who may do everything. */
function run(
  command: string,
  args: readonly string[],
  extra: NodeJS.ProcessEnv = {},
  asNobody = false,
): Promise<Ended> {
  const nobody = asNobody && process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
  const child = spawn(command, args, { env: { ...process.env, ...extra }, ...nobody });
  const ended = { code: null, stdout: '', stderr: '' } as Ended;
  child.stdout.setEncoding('utf8').on('data', (text) => {
    ended.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    ended.stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ ...ended, code }));
  });
}

const CHILD = join(ROOT, 'test/platforms/node/hub/child.mjs');
const child = (asNobody = false) => run(process.execPath, [CHILD], {}, asNobody);

describe('H2: processes that are killed', () => {
  it('leave nothing broken, and the next run succeeds', async () => {
    const kills = process.env.HUB_KILLS ?? '20';
    const { code, stdout } = await run(process.execPath, [join(ROOT, 'test/platforms/node/hub/kills.mjs'), kills]);
    console.log(stdout.trim());
    expect(code, stdout).toBe(0);
    expect(stdout).toMatch(new RegExp(`^${kills} downloads killed.* 0 faults`, 'm'));
  });

  it('leave locks that are broken', async () => {
    const { cache } = await testHub();
    const lock = join(cache, '.locks/models--org--dogs', `${hashOf(files[WEIGHTS])}.mv2-lock`);
    mkdirSync(dirname(lock), { recursive: true });
    const dead = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => dead.on('close', resolve));
    const { hostname } = await import('node:os');
    for (const content of [JSON.stringify({ pid: dead.pid, host: hostname(), id: '1' }), '']) {
      writeFileSync(lock, content);
      await hf_hub_download(REPO, WEIGHTS, { force_download: true });
      expect(leftovers(cache)).toEqual([]);
    }
  });

  it('that live are waited for, until the caller gives up', async () => {
    const { cache } = await testHub();
    const lock = join(cache, '.locks/models--org--dogs', `${hashOf(files[WEIGHTS])}.mv2-lock`);
    mkdirSync(dirname(lock), { recursive: true });
    writeFileSync(lock, JSON.stringify({ pid: process.pid, host: (await import('node:os')).hostname(), id: '1' }));
    const signal = AbortSignal.timeout(300);
    await expect(hf_hub_download(REPO, WEIGHTS, { signal })).rejects.toMatchObject({ name: 'TimeoutError' });
    setTimeout(() => rmSync(lock), 300);
    await hf_hub_download(REPO, WEIGHTS);
  });
});

describe('H3: twenty processes that want the same', () => {
  it('all get it, and one downloads it', async () => {
    const { hub, cache } = await testHub();
    hub.rate = 20_000_000;
    const all = await Promise.all(Array.from({ length: 20 }, () => child()));
    for (const { code, stdout, stderr } of all) {
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(hashOf(readFileSync(join(stdout.trim(), WEIGHTS)))).toBe(hashOf(files[WEIGHTS]));
    }
    expect(downloadsOf(hub)).toHaveLength(1);
    expect(readdirSync(join(cache, 'models--org--dogs/blobs'))).toHaveLength(Object.keys(files).length);
    expect((await verifyCache()).every(({ state }) => state === 'sound')).toBe(true);
    expect(leftovers(cache)).toEqual([]);
  });

  it('so do twenty calls in one process', async () => {
    const { hub, cache } = await testHub();
    await Promise.all(Array.from({ length: 20 }, () => snapshot_download(REPO)));
    expect(downloadsOf(hub)).toHaveLength(1);
    expect(leftovers(cache)).toEqual([]);
  });
});

describe('H5: disks that are full or locked', () => {
  it('a full disk leaves the old file and no new one', async () => {
    const { cache } = await testHub();
    const path = await hf_hub_download(REPO, WEIGHTS);
    const prototype = await handlePrototype();
    const write = vi.spyOn(prototype, 'write').mockImplementation(async () => {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });
    });
    const error = await refusal(hf_hub_download(REPO, WEIGHTS, { force_download: true })).finally(() =>
      write.mockRestore(),
    );
    expect(error.code).toBe('IO');
    expect(error.message).toMatch(/the disk is full \(ENOSPC\)/);
    expect(hashOf(readFileSync(path))).toBe(hashOf(files[WEIGHTS]));
    expect(leftovers(cache)).toEqual([]);
  });

  it('a cache that cannot be written to serves what it has', async ({ skip }) => {
    const look = ['-e', 'fs.readFileSync(process.argv[1])', CHILD];
    const { code } = await run(process.execPath, look, {}, true).catch(() => ({ code: 1 }));
    if (code !== 0) {
      console.log('no user other than root can read this checkout: the locked cache is left out');
      skip();
    }
    const { cache } = await testHub();
    const home = dirname(cache);
    chmodSync(home, 0o755);
    await snapshot_download(REPO);
    const everything = ['.', ...readdirSync(home, { recursive: true })].map((name) => join(home, String(name)));
    for (const path of everything) chmodSync(path, 0o555);
    try {
      const hit = await child(true);
      expect({ code: hit.code, stderr: hit.stderr }).toEqual({ code: 0, stderr: '' });
      rmSync(join(cache, 'models--org--dogs/snapshots', COMMIT, WEIGHTS));
      rmSync(join(cache, 'models--org--dogs/blobs', hashOf(files[WEIGHTS])));
      const before = filesBelow(cache);
      const miss = await child(true);
      expect(miss.code).toBe(1);
      expect(miss.stderr).toMatch(/MobileNetError: .*no permission \(EACCES\)/);
      expect(filesBelow(cache)).toEqual(before);
    } finally {
      execFileSync('chmod', ['-R', 'u+w', home]);
    }
  });

  it('a cache whose place is taken by a file says so', async () => {
    const { cache } = await testHub();
    writeFileSync(cache, '');
    expect((await refusal(hf_hub_download(REPO, WEIGHTS))).code).toMatch(/IO|NOT_FOUND/);
  });
});

async function handlePrototype() {
  const { open } = await import('node:fs/promises');
  const handle = await open(process.execPath);
  await handle.close();
  return Object.getPrototypeOf(handle) as typeof handle;
}

describe('files without links', () => {
  it('are copies, where a file system has no links', async () => {
    const { cache } = await testHub();
    await hf_hub_download(REPO, 'config.json');
    // As Windows leaves it: a file in place of the link.
    const path = join(cache, 'models--org--dogs/snapshots', COMMIT, 'config.json');
    rmSync(path);
    writeFileSync(path, files['config.json']);
    const folder = await hubFolder(REPO, { local_files_only: true });
    expect(await folder.read('config.json')).toEqual(new Uint8Array(files['config.json']));
    expect((await verifyCache(REPO))[0].state).toBe('unknown');
  });
});

describe('the command line', () => {
  const command = (...args: string[]) => cli(args);

  it('downloads, lists, verifies and removes', async () => {
    const { cache } = await testHub();
    const downloaded = await command('download', REPO, '--include', '*.json', 'model.*');
    expect(downloaded).toEqual({
      code: 0,
      stdout: `${join(cache, 'models--org--dogs/snapshots', COMMIT)}\n`,
      stderr: '',
    });
    expect(filesBelow(downloaded.stdout.trim())).toEqual(['config.json', WEIGHTS, 'preprocessor_config.json']);
    expect((await command('download', REPO, '--json', '--exclude', '*')).code).toBe(1);
    for (const page of ['', '/', '/tree/main', '/blob/main/config.json']) {
      const address = `https://huggingface.co/${REPO}${page}`;
      const pasted = await command('download', address, '--include', '*.json', 'model.*');
      expect(pasted).toEqual({ ...downloaded, stderr: '' });
    }
    const space = await command('download', `https://huggingface.co/spaces/${REPO}`);
    expect(space).toMatchObject({ code: 1, stderr: expect.stringContaining("one of the hub's spaces") });
    const elsewhere = await command('download', 'https://example.com/org/dogs');
    expect(elsewhere).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/v2: expected the name .* org\/name, got/),
    });

    const listed = await command('cache', 'list');
    expect(listed.stdout).toMatch(/org\/dogs +4\.9 MB +main +3\n/);
    expect(JSON.parse((await command('cache', 'list', '--json')).stdout)[0].repo).toBe(REPO);

    expect(await command('cache', 'verify')).toMatchObject({ code: 0, stdout: '3 files, 0 damaged or missing\n' });
    const blob = join(cache, 'models--org--dogs/blobs', hashOf(files[WEIGHTS]));
    writeFileSync(blob, 'x');
    const bad = await command('cache', 'verify', REPO);
    expect(bad.code).toBe(1);
    expect(bad.stdout).toMatch(/^damaged {2}org\/dogs\/model\.safetensors/);
    rmSync(blob);
    expect((await command('cache', 'verify', REPO, '--json')).stdout).toContain('"missing"');
    expect((await command('download', REPO, '--force', '-q')).code).toBe(0);
    expect((await command('cache', 'verify')).code).toBe(0);

    expect((await command('cache', 'remove', REPO)).stdout).toMatch(/^removed org\/dogs, 4\.9 MB\n$/);
    expect((await command('cache', 'remove', REPO)).code).toBe(1);
    expect(await scanCache()).toEqual([]);
    expect((await refusal(removeFromCache(REPO))).code).toBe('NOT_FOUND');
    expect((await refusal(removeFromCache('../x'))).code).toBe('ARG');
  });

  it('removes nothing without a name', async () => {
    const { cache } = await testHub();
    await hf_hub_download(REPO, 'config.json');
    const before = filesBelow(cache);
    expect(before.length).toBeGreaterThan(0);
    for (const name of [undefined, null, '', {}]) {
      expect((await refusal(removeFromCache(name as unknown as string))).code).toBe('ARG');
    }
    expect(filesBelow(cache)).toEqual(before);
  });

  it('gives back what a listener throws as it is', async () => {
    await testHub();
    const fault = new TypeError('x is undefined');
    const progress_callback = () => {
      throw fault;
    };
    await expect(hf_hub_download(REPO, 'config.json', { progress_callback })).rejects.toBe(fault);
    const late = ({ status }: { status: string }) => {
      if (status === 'progress') throw fault;
    };
    await expect(hf_hub_download(REPO, 'config.json', { progress_callback: late })).rejects.toBe(fault);
  });

  it('takes a name wherever it takes a folder', async () => {
    await testHub();
    const husky = join(ROOT, 'examples/husky.png');
    expect((await command('classify', husky, '--model', REPO)).stdout).toContain('Siberian husky');
    expect((await command('features', husky, '--model', REPO, '--revision', COMMIT, '--json')).code).toBe(0);
    expect((await command('inspect', REPO)).stdout).toContain('MobileNetV2ForImageClassification');
    expect((await command('plan', '--model', REPO)).code).toBe(0);
    expect((await command('profile', REPO, '--runs', '1')).code).toBe(0);
    const absent = await command('classify', husky, '--model', 'org/none');
    expect(absent).toMatchObject({ code: 1, stdout: '' });
    expect(absent.stderr).toMatch(/^mobilenet-v2: no model org\/none on .*\n$/);
  });

  it('stops when it is told to, and continues later', async () => {
    const { hub, cache } = await testHub();
    hub.rate = 3_000_000;
    const program = spawn(process.execPath, [CLI, 'download', REPO], { stdio: 'ignore' });
    await vi.waitFor(() => expect(downloadsOf(hub).length > 0).toBe(true), 20_000);
    await new Promise((resolve) => setTimeout(resolve, 200));
    program.kill('SIGINT');
    expect(await new Promise((resolve) => program.on('close', resolve))).toBe(130);
    expect(leftovers(cache).filter((file) => file.endsWith('.incomplete'))).toHaveLength(1);
    hub.rate = undefined;
    expect((await command('download', REPO)).code).toBe(0);
    expect(downloadsOf(hub).at(-1)!.range).toMatch(/^bytes=\d+-$/);
    expect(leftovers(cache)).toEqual([]);
  });
});

/** A Python that can import huggingface_hub. */
function findPython(): string | undefined {
  for (const python of [process.env.ORACLE_PYTHON, 'python3'].filter((each) => each !== undefined)) {
    try {
      execFileSync(python, ['-c', 'import huggingface_hub'], { stdio: 'ignore' });
      return python;
    } catch {}
  }
  return undefined;
}

const python = findPython();
if (python === undefined) {
  console.log('no Python with huggingface_hub (ORACLE_PYTHON, python3): interoperability of the cache is left out');
}

const READ = `
import json, sys, huggingface_hub as hub
from huggingface_hub import hf_hub_download, scan_cache_dir, try_to_load_from_cache, _CACHED_NO_EXIST
names = json.loads(sys.argv[1])
info = scan_cache_dir()
[repo] = info.repos
absent = try_to_load_from_cache("org/dogs", "pytorch_model.bin") is _CACHED_NO_EXIST
print(json.dumps({
  "version": hub.__version__,
  "tried": [try_to_load_from_cache("org/dogs", name) for name in names],
  "local": [hf_hub_download("org/dogs", name, local_files_only=True) for name in names],
  "absent": absent, "warnings": [str(w) for w in info.warnings], "incomplete": len(info.incomplete_files),
  "repo": repo.repo_id, "size": repo.size_on_disk, "files": repo.nb_files,
  "revisions": [[r.commit_hash, sorted(r.refs)] for r in repo.revisions],
}))`;

const WRITE = `
import json, sys
from huggingface_hub import hf_hub_download, file_exists
from huggingface_hub.errors import EntryNotFoundError
for name in json.loads(sys.argv[1]): hf_hub_download("org/dogs", name)
hf_hub_download("org/dogs", "config.json", revision="refs/pr/2")
try: hf_hub_download("org/dogs", "pytorch_model.bin")
except EntryNotFoundError: print("absent")`;

describe.skipIf(python === undefined)("Python's huggingface_hub", () => {
  const runPython = async (program: string, hub: Hub, offline: boolean) => {
    const extra = { HF_HUB_OFFLINE: offline ? '1' : '0', HF_ENDPOINT: hub.endpoint, HF_HUB_DISABLE_TELEMETRY: '1' };
    const { code, stdout, stderr } = await run(python!, ['-c', program, JSON.stringify(Object.keys(files))], extra);
    expect(code, stderr).toBe(0);
    return stdout;
  };

  it('finds what we have kept', async () => {
    const { hub, cache } = await testHub();
    const path = await snapshot_download(REPO);
    const folder = await hubFolder(REPO);
    expect(await folder.read('pytorch_model.bin')).toBeUndefined();
    hub.requests.length = 0;
    const seen = JSON.parse(await runPython(READ, hub, true));
    const paths = Object.keys(files).map((file) => join(path, file));
    expect(seen).toMatchObject({
      tried: paths,
      local: paths,
      absent: true,
      warnings: [],
      incomplete: 0,
      repo: REPO,
      files: paths.length,
      size: Object.values(files).reduce((sum, { length }) => sum + length, 0),
      revisions: [[COMMIT, ['main']]],
    });
    expect(hub.requests).toEqual([]);
    console.log(
      `huggingface_hub ${seen.version} finds what we kept: ${seen.files} files of ${seen.size} bytes in ${cache}, by ` +
        'try_to_load_from_cache, hf_hub_download(local_files_only=True) and scan_cache_dir, no warnings',
    );
  });

  it('keeps what we find', async () => {
    const { hub, cache } = await testHub();
    hub.revisions['refs/pr/2'] = { commit: 'e'.repeat(40), files };
    expect(await runPython(WRITE, hub, false)).toBe('absent\n');
    hub.requests.length = 0;
    const offline = { local_files_only: true };
    using model = await MobileNetV2ForImageClassification.from_pretrained(REPO, offline);
    expect(model.config.num_labels).toBe(19);
    for (const file of Object.keys(files)) {
      expect(hashOf(readFileSync(await hf_hub_download(REPO, file, offline)))).toBe(hashOf(files[file]));
    }
    await hf_hub_download(REPO, 'config.json', { ...offline, revision: 'refs/pr/2' });
    const folder = await hubFolder(REPO, { revision: COMMIT });
    expect(await folder.read('pytorch_model.bin')).toBeUndefined(); // by .no_exist
    expect(hub.requests).toEqual([]);
    const verdicts = await verifyCache();
    expect(verdicts.every(({ state }) => state === 'sound')).toBe(true);
    const [scanned] = await scanCache();
    expect(scanned.revisions.map(({ refs }) => refs)).toEqual([['main'], ['refs/pr/2']]);
    await snapshot_download(REPO);
    expect(downloadsOf(hub)).toEqual([]);
    console.log(`we find what huggingface_hub kept: ${verdicts.length} files in ${cache}, offline, every hash sound`);
  });

  it('and we agree on a cache that was copied without links', async () => {
    const { hub, cache } = await testHub();
    await snapshot_download(REPO);
    await (await hubFolder(REPO)).read('pytorch_model.bin');
    cpSync(cache, `${cache}-copy`, { recursive: true, dereference: true });
    rmSync(cache, { recursive: true });
    cpSync(`${cache}-copy`, cache, { recursive: true });
    rmSync(`${cache}-copy`, { recursive: true });
    const seen = JSON.parse(await runPython(READ, hub, true));
    expect(seen).toMatchObject({ warnings: [], files: Object.keys(files).length });
    using model = await MobileNetV2ForImageClassification.from_pretrained(REPO, { local_files_only: true });
    expect(model.config.num_labels).toBe(19);
  });
});
