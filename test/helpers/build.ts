/**
 * Vitest's global setup. Tests run from the sources, but child processes and workers need JavaScript: this brings dist/
 * up to date with src/ before the first test, here and in packages/server. Types are stripped, not checked (`npm run types`
 * does that), so it takes a moment, and no time where nothing changed.
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The files of a package whose JavaScript is not theirs of now. */
const staleIn = (folder: string) =>
  (readdirSync(join(folder, 'src'), { recursive: true }) as string[])
    .filter((file) => file.endsWith('.ts'))
    .map((file) => ({ from: join(folder, 'src', file), to: join(folder, 'dist', file.replace(/\.ts$/, '.js')) }))
    .map((file) => ({ ...file, changed: statSync(file.from).mtimeMs }))
    // What was built carries its source's time. File systems round it.
    .filter(({ to, changed }) => Math.abs((statSync(to, { throwIfNoEntry: false })?.mtimeMs ?? 0) - changed) >= 1);

export async function setup(): Promise<void> {
  const library = staleIn(ROOT);
  const stale = [...library, ...staleIn(join(ROOT, 'packages/server'))];
  if (stale.length === 0 && existsSync(join(ROOT, 'dist/bundle/node.js'))) return;
  const { default: ts } = await import('typescript');
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true };
  for (const { from, to, changed } of stale) {
    const { outputText } = ts.transpileModule(readFileSync(from, 'utf8'), { compilerOptions, fileName: from });
    mkdirSync(dirname(to), { recursive: true });
    // Renamed into place, so that a process that starts meanwhile never meets half a file.
    const temporary = `${to}.${process.pid}`;
    writeFileSync(temporary, outputText);
    utimesSync(temporary, changed / 1000, changed / 1000);
    renameSync(temporary, to);
  }
  if (library.length === 0 && existsSync(join(ROOT, 'dist/bundle/node.js'))) return;
  if (library.some(({ from }) => /(layers|tensor)/.test(from))) {
    execFileSync(process.execPath, [join(ROOT, 'scripts/kernels.mjs')], { cwd: ROOT });
  }
  execFileSync(process.execPath, [join(ROOT, 'scripts/bundle.mjs')], { cwd: ROOT });
}
