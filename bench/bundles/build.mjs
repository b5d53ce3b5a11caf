/** The package by its name, through each bundler as it comes: for production, nothing configured that has a default. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import commonjs from '@rollup/plugin-commonjs';
import nodeResolve from '@rollup/plugin-node-resolve';
import terser from '@rollup/plugin-terser';
import { build as esbuild } from 'esbuild';
import { rollup } from 'rollup';
import { build as vite } from 'vite';
import webpack from 'webpack';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const ENTRY = join(HERE, 'page.mjs');
export const PACKAGE = join(HERE, 'node_modules/mobilenet-v2');

const esbuildAs = (folder, options) =>
  esbuild({
    entryPoints: [ENTRY],
    bundle: true,
    minify: true,
    outdir: folder,
    logLevel: 'error',
    logOverride: { 'empty-import-meta': 'silent' },
    ...options,
  });

async function rollupPage(folder) {
  const plugins = [nodeResolve({ browser: true }), commonjs(), terser({ module: true })];
  const bundle = await rollup({ input: ENTRY, plugins, onwarn() {} });
  await bundle.write({ dir: folder, format: 'es' });
}

const viteAs = (folder, options) =>
  vite({
    root: HERE,
    configFile: false,
    logLevel: 'error',
    ...options,
    build: { outDir: folder, minify: true, emptyOutDir: false, ...options.build },
  });

function webpackAs(folder, target) {
  const output = { path: folder, filename: 'page.mjs', library: { type: 'module' } };
  const options = { mode: 'production', context: HERE, entry: ENTRY, target, output };
  return new Promise((resolve, reject) =>
    webpack({ ...options, experiments: { outputModule: true }, performance: false }, (error, stats) => {
      if (error) reject(error);
      else if (stats.hasErrors()) reject(new Error(stats.toString('errors-only').split('\n').slice(0, 3).join(' ')));
      else resolve();
    }),
  );
}

/** Next.js, whose bundler is Turbopack: a route on the server that takes its turn when it is asked. */
async function nextRoute(folder) {
  cpSync(join(HERE, 'next'), folder, { recursive: true });
  // Files of ours that are part of the program, the package's name in them the only import of the package.
  for (const file of ['bundles/turns.mjs', 'networks.mjs']) {
    mkdirSync(join(folder, 'bench', file, '..'), { recursive: true });
    cpSync(join(HERE, '..', file), join(folder, 'bench', file));
  }
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1' };
  const { status, stdout, stderr } = spawnSync(process.execPath, [NEXT, 'build'], {
    cwd: folder,
    env,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`next build: ${stderr || stdout}`);
}
export const NEXT = join(HERE, 'node_modules/next/dist/bin/next');

/**
 * `against` is the row that it is compared with, the modules where it says nothing (child.mjs tells of `detached`).
 * `make(folder)` builds; `file` is what it makes there, or `server` says that it is asked over HTTP. Pages have the modules
 * that `exports` gives to browsers, and are run by Node all the same: the engine is the same.
 */
export const BUILDS = {
  modules: { title: 'modules, unbundled', at: join(PACKAGE, 'dist/entries/main-node.js') },
  'modules-detached': {
    title: 'modules, in a process like a server’s',
    at: join(PACKAGE, 'dist/entries/main-node.js'),
    detached: true,
  },
  ours: { title: 'dist/bundle, by the package’s name', at: ENTRY },
  esbuild: { title: 'esbuild, page', make: (folder) => esbuildAs(folder, { format: 'esm' }), file: 'page.js' },
  'esbuild-node': {
    title: 'esbuild, Node, cjs',
    make: (folder) => esbuildAs(folder, { platform: 'node', outExtension: { '.js': '.cjs' } }),
    file: 'page.cjs',
  },
  rollup: { title: 'Rollup and terser, page', make: rollupPage, file: 'page.js' },
  vite: {
    title: 'Vite, page',
    make: (folder) => viteAs(folder, { build: { lib: { entry: ENTRY, formats: ['es'], fileName: 'page' } } }),
    file: 'page.js',
  },
  'vite-ssr': {
    title: 'Vite, server',
    make: (folder) => viteAs(folder, { build: { ssr: ENTRY }, ssr: { noExternal: true } }),
    file: 'page.js',
  },
  webpack: { title: 'webpack, page', make: (folder) => webpackAs(folder, 'web'), file: 'page.mjs' },
  'webpack-node': { title: 'webpack, Node', make: (folder) => webpackAs(folder, 'node20'), file: 'page.mjs' },
  turbopack: { title: 'Turbopack (Next.js), server', make: nextRoute, server: true, against: 'modules-detached' },
};

/** @returns the URL of the build's module, or the folder of its server */
export async function buildAs(id, folder) {
  const { at, make, file, server } = BUILDS[id];
  if (at !== undefined) return pathToFileURL(at).href;
  mkdirSync(folder, { recursive: true });
  await make(folder);
  if (server) return folder;
  if (!readdirSync(folder).includes(file)) throw new Error(`${id}: no ${file} among ${readdirSync(folder).join(', ')}`);
  return pathToFileURL(join(folder, file)).href;
}

/** Versions of bundlers, for the report. */
export const versionOf = (name) =>
  JSON.parse(readFileSync(join(HERE, 'node_modules', name, 'package.json'), 'utf8')).version;
