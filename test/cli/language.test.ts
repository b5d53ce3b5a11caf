/** No message that reaches the command line speaks of an option that the command line does not have. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inFlags } from '../../src/cli/language.js';
import { limitNames } from '../../src/cli/limits.js';
import { makeProgram } from '../../src/cli/main.js';
import { Session } from '../../src/cli/session.js';
import { ROOT } from '../helpers/cli.js';

describe('options in messages', () => {
  it.each([
    [
      'a.png: 9×9 pixels exceed env.limits.imagePixels (50); raise it to read larger pictures',
      'a.png: 9×9 pixels exceed --limit image-pixels=50; raise it to read larger pictures',
    ],
    ['x: 9 tensors, env.limits.tensors is 3; raise it', 'x: 9 tensors, --limit tensors=3; raise it'],
    [
      'x: more than 5 bytes; raise env.limits.weightsBytes, or jsonBytes for a configuration, if you trust it',
      'x: more than 5 bytes; raise --limit weights-bytes=…, or json-bytes=… for a configuration, if you trust it',
    ],
    ['top_k: expected a whole number ≥ 1, got 0', '--top-k: expected a whole number ≥ 1, got 0'],
    ['threads: expected 1 to 64', '--threads: expected 1 to 64'],
    ['device wasm: no; use device auto', '--device wasm: no; use --device auto'],
    ['m: 3 tensors; strict: false leaves them out', 'm: 3 tensors; --no-strict leaves them out'],
    ['s: wholeImage: false crops the centre', 's: --center-crop crops the centre'],
    ['preprocess_input is taken for it (see pixelRange)', 'preprocess_input is taken for it (see --pixel-range)'],
    // A file that is called so is no option, nor is a field of a file.
    ['"top_k": no such layer', '"top_k": no such layer'],
    ['preprocessor_config.json: size.shortest_edge is 0', 'preprocessor_config.json: size.shortest_edge is 0'],
  ])('%s', (message, expected) => {
    expect(inFlags(message)).toBe(expected);
  });
});

/** Options of the library, which are no words of another kind, nor fields of a checkpoint's files. */
const OPTIONS =
  /\benv\.\w+|\b(top_k|topk|pixelRange|allowNonfinite|local_files_only|force_download|cache_dir|progress_callback|wasmModule|wholeImage|return_segmentation_scores|function_to_apply)\b|\b(strict|head|allowNonfinite): (true|false)|(?<!--)\bdevice (auto|wasm|js)\b|\ba compiled module\b/;

/** Of programs that call the library: no file, picture or flag of the command line leads there. */
const FOR_PROGRAMMERS = [
  /env\.platform/, // a platform without a service; Node has all
  /env\.allowRemoteModels/, // the command line does not set it
  /raise env\.limits\.… to/, // in a page
  /^wasmModule: /, // compiled by a program
  /^function_to_apply: /, // the command line leaves it to the model
  /env\.memory/, // of a WebAssembly module
];

/** What stands in quotes in the sources of the library, on one line, with … for what is put in. */
function* messages(): Generator<string> {
  for (const file of readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts') || file.startsWith('cli')) continue;
    const text = readFileSync(join(ROOT, 'src', file), 'utf8').replace(/^\s*(\*|\/\/|\/\*\*).*$/gm, '');
    // A sentence has spaces; names of files and fields, and code between two quotes, have none or odd ones.
    for (const [, , literal] of text.matchAll(/(['"`])((?:(?!\1)[^\\\n]|\\.)*)\1/g)) {
      const message = literal.replace(/\$\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}/g, '…');
      if (/\s/.test(message.trim()) && !/^[^A-Za-z…]*$/.test(message)) yield message;
    }
  }
}

describe('the messages of the library', () => {
  const found = [...messages()];

  it('are found', () => {
    expect(found.length).toBeGreaterThan(300);
    expect(found.filter((message) => OPTIONS.test(message)).length).toBeGreaterThan(10);
  });

  it('name flags at the command line, and no options', () => {
    const left = found
      .filter((message) => !FOR_PROGRAMMERS.some((pattern) => pattern.test(message)))
      .map(inFlags)
      .filter((message) => OPTIONS.test(message));
    expect(left).toEqual([]);
  });

  it('are told to raise only limits that --limit knows', () => {
    const named = found.flatMap((message) =>
      [...inFlags(message).matchAll(/--limit ([\w-]+)/g)].map(([, name]) => name),
    );
    expect(named.length).toBeGreaterThan(8);
    for (const name of named) expect(limitNames()).toContain(name);
  });
});

it('every flag that stands in place of an option is one that some command has', async () => {
  const program = await makeProgram(new Session());
  const flags = program.commands.flatMap(({ options }) => options.map(({ long }) => long));
  const used = [
    'model',
    'revision',
    'device',
    'threads',
    'memory',
    'label',
    'labels',
    'layer',
    'shortest_edge',
    'dtype',
  ]
    .map((name) => inFlags(`${name}: x`).split(':')[0])
    .concat(['strict: false', 'head: false', 'allowNonfinite: true', 'local_files_only is set'].map(inFlags));
  for (const flag of used) expect(flags).toContain(flag.split(' ')[0]);
});
