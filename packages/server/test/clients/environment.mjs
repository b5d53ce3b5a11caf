/** What the clients need: a Python with the packages of requirements.txt, and Triton's perf_analyzer. Made once, kept in .venv. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const REQUIREMENTS = fileURLToPath(new URL('requirements.txt', import.meta.url));
/** CLIENTS_VENV names another folder, so that several checkouts share one. */
const FOLDER = process.env.CLIENTS_VENV ?? fileURLToPath(new URL('.venv', import.meta.url));
const PYTHON = join(FOLDER, 'bin/python');

/** The last wheel of tritonclient with perf_analyzer in it, and the two libraries that it is linked against. */
const ANALYZER_WHEELS = ['tritonclient==2.40.0', 'nvidia-cuda-runtime-cu12==12.9.79'];
const ANALYZER_DEBIAN = 'libb64-0d';
const ANALYZER = join(FOLDER, 'perf_analyzer');

/** Why it did not work, or nothing. */
function run(command, words, options = {}) {
  const { status, error, stdout, stderr } = spawnSync(command, words, { encoding: 'utf8', ...options });
  return status === 0 ? undefined : (error?.message ?? `${stderr}${stdout}`);
}

/** A registry that nobody reaches is no fault of ours. */
const UNREACHABLE = /connection|network is unreachable|name resolution|timed out|from versions: none/i;

/** { python } or { skipped: why }; throws where the packages are to be had and do not install. */
export function python() {
  const wanted = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex');
  const mark = join(FOLDER, 'requirements.sha256');
  if (existsSync(mark) && readFileSync(mark, 'utf8') === wanted) return { python: PYTHON };
  const none = run('python3', ['-m', 'venv', '--clear', FOLDER]);
  if (none !== undefined) return { skipped: `no python3 with venv: ${none.trim().split('\n').at(-1)}` };
  console.error(`pip install -r requirements.txt (${FOLDER}); once, takes a minute or two`);
  const failure = run(PYTHON, ['-m', 'pip', 'install', '-q', '--no-compile', '-r', REQUIREMENTS]);
  if (failure !== undefined) {
    const last = failure.trim().split('\n').at(-1);
    if (UNREACHABLE.test(failure)) return { skipped: `the packages are not to be had: ${last}` };
    throw new Error(`pip install -r requirements.txt:\n${failure}`);
  }
  writeFileSync(mark, wanted);
  return { python: PYTHON };
}

/** What perf_analyzer needs of the environment; { PERF_ANALYZER_MISSING: why } where it is not to be had. */
export function analyzer() {
  const binary = join(ANALYZER, 'tritonclient-2.40.0.data/data/bin/perf_analyzer');
  const libraries = ['b64/usr/lib/x86_64-linux-gnu', 'nvidia/cuda_runtime/lib'].map((path) => join(ANALYZER, path));
  const environment = { PERF_ANALYZER: binary, PERF_ANALYZER_LIBRARIES: libraries.join(':') };
  if (existsSync(binary)) return environment;
  if (process.platform !== 'linux' || process.arch !== 'x64') return { PERF_ANALYZER_MISSING: 'Linux on x64 only' };
  rmSync(ANALYZER, { recursive: true, force: true });
  mkdirSync(ANALYZER, { recursive: true });
  const cwd = { cwd: ANALYZER };
  const download = ['-m', 'pip', 'download', '-q', '--no-deps', '--only-binary', ':all:', ...ANALYZER_WHEELS];
  const missing =
    run('apt-get', ['download', '-qq', ANALYZER_DEBIAN], cwd) ?? run(PYTHON, download, cwd) ?? unpack(cwd);
  if (missing === undefined) return environment;
  rmSync(ANALYZER, { recursive: true, force: true });
  return { PERF_ANALYZER_MISSING: missing.trim().split('\n').at(-1) };
}

function unpack(cwd) {
  const files = readdirSync(ANALYZER);
  const deb = files.find((name) => name.endsWith('.deb'));
  let missing = run('dpkg', ['-x', deb, 'b64'], cwd);
  const [triton, ...others] = files
    .filter((name) => name.endsWith('.whl'))
    .sort()
    .reverse();
  for (const wheel of [triton, ...others]) missing ??= run(PYTHON, ['-m', 'zipfile', '-e', wheel, '.'], cwd);
  missing ??= run('chmod', ['+x', 'tritonclient-2.40.0.data/data/bin/perf_analyzer'], cwd);
  for (const name of [deb, triton, ...others]) rmSync(join(ANALYZER, name), { force: true });
  return missing;
}
