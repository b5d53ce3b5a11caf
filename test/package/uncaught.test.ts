/** An error that nobody catches, as Node prints it: a line of source, the message, the stack, the fields. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, temporaryFolder } from '../helpers/cli.js';

/** Bytes. A terminal of 80 columns shows some 25 lines of that. */
const MOST = 2048;

/** What Node prints when a script that imports the package by its name throws. */
function uncaught(script: string): string {
  const source = `import * as m from 'mobilenet-v2'; const folder = process.argv[1]; ${script}`;
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'empty'));
  writeFileSync(join(folder, 'config.json'), '{ "model_type": "mobilenet_v2",');
  writeFileSync(join(folder, 'text.png'), 'no picture');
  const words = ['--input-type=module', '-e', source, folder];
  const { status, stderr } = spawnSync(process.execPath, words, { cwd: ROOT, encoding: 'utf8' });
  expect(status, stderr).toBe(1);
  return stderr;
}

test.each([
  ['an argument', `new m.Tensor('float32', new Float32Array(3), [2])`, "code: 'ARG'", 'dims [2]'],
  ['a field', `new m.MobileNetV2Config({ depth_multiplier: -1 })`, "code: 'CONFIG'", 'new MobileNetV2Config ('],
  ['a damaged file', 'await m.MobileNetV2Config.from_pretrained(folder)', "code: 'CONFIG'", 'offset: 31'],
  [
    'an empty folder',
    `await m.pipeline('image-classification', folder + '/empty')`,
    "code: 'NOT_FOUND'",
    'config.json',
  ],
  ['with a cause', `await m.load_image(folder + '/absent.png')`, "code: 'NOT_FOUND'", '[cause]: Error: ENOENT'],
  ['a picture', `await m.load_image(folder + '/text.png')`, "code: 'UNSUPPORTED'", 'got text'],
  [
    'hundreds of names',
    'new m.MobileNetV2ForImageClassification(new m.MobileNetV2Config()).load_state_dict(new Map())',
    "code: 'WEIGHTS'",
    '260 missing',
  ],
  [
    'of another file than core.js',
    `m.env.allowRemoteModels = false; await m.pipeline('image-classification', 'a/b')`,
    "code: 'OFFLINE'",
    'a/b',
  ],
])('%s: message, place and stack, in less than 2 KB', (_, script, code, content) => {
  const printed = uncaught(script);
  expect(printed.length, printed).toBeLessThan(MOST);
  expect(printed).toContain('\nMobileNetError: ');
  expect(printed).toContain(code);
  expect(printed).toContain(content);
  expect(printed).not.toMatch(/: undefined\b/);
});

test('no line of what Node loads is long: it is printed with an error thrown there', () => {
  const bundle = join(ROOT, 'dist/bundle');
  const files = readdirSync(bundle).filter((file) => file.endsWith('.js'));
  expect(files).toContain('core.js');
  const long = files.filter((file) =>
    readFileSync(join(bundle, file), 'utf8')
      .split('\n')
      .some((line) => line.length > 800),
  );
  expect(long).toEqual([]);
});
