/** Programs that freeze what JavaScript brings, against code that changes it, can use the package all the same. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { ROOT } from '../helpers/cli.js';

const PROGRAM = `
  if (process.execArgv.length === 0) for (const one of [Object, Function, Array, Error, Promise, Map]) Object.freeze(one.prototype);
  const { MobileNetError, pipeline, RawImage } = await import(${JSON.stringify(pathToFileURL(join(ROOT, 'dist/bundle/node.js')).href)});
  const error = await RawImage.read('/nowhere.png').catch((error) => error);
  const classify = await pipeline('image-classification');
  const [{ label }] = await classify(${JSON.stringify(join(ROOT, 'examples/husky.png'))});
  console.log(JSON.stringify([error instanceof MobileNetError, error.name, error.code, error.message, label]));
`;

it.each([
  ['frozen prototypes', []],
  ['--frozen-intrinsics', ['--frozen-intrinsics']],
])('%s: errors have their name and text, pictures their label', (_, options) => {
  const { stdout, stderr } = spawnSync(process.execPath, [...options, '--input-type=module', '-e', PROGRAM], {
    encoding: 'utf8',
  });
  expect(stderr.replace(/.*ExperimentalWarning.*\n.*trace-warnings.*\n/, '')).toBe('');
  expect(JSON.parse(stdout)).toEqual([
    ...[true, 'MobileNetError', 'NOT_FOUND', '/nowhere.png: no such file'],
    'malamute, malemute, Alaskan malamute',
  ]);
});
