/**
 * Several hundred files that are wrong in one way each, loaded as users load them. Each must end in the error of that way,
 * with its file and place, in a message that fits a screen; write nothing; and leave a model loaded before as it was.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { env } from '../../src/base/env.js';
import {
  load_image,
  MobileNetError,
  MobileNetV2ForImageClassification,
  MobileNetV2ImageProcessor,
} from '../../src/entries/main-node.js';
import { saveTinyClassifier } from '../helpers/tiny.js';
import { picture } from '../helpers/waves.js';
import { memoryFolder } from '../helpers/weight-files.js';
import { Ledger, resident, timed } from './ledger.js';
import { type Malformed, malformed, TAKEN } from './malformed.js';

const ledger = new Ledger('malformed', 'npx vitest run test/reliability/malformed.test.ts');

const folder = mkdtempSync(`${tmpdir()}/mobilenet-v2-`);
await saveTinyClassifier(folder);
const sound = Object.fromEntries(
  ['config.json', 'preprocessor_config.json', 'model.safetensors'].map((file) => [
    file,
    new Uint8Array(readFileSync(`${folder}/${file}`)),
  ]),
);
rmSync(folder, { recursive: true });
const parse = (file: string) => JSON.parse(new TextDecoder().decode(sound[file]));
const CASES = malformed({
  config: parse('config.json'),
  preprocessor: parse('preprocessor_config.json'),
  weights: sound['model.safetensors'],
});

let earlier: MobileNetV2ForImageClassification;
let expected: Float32Array;
const { writeFolder } = env.platform;
beforeAll(async () => {
  earlier = await MobileNetV2ForImageClassification.from_pretrained(memoryFolder(sound));
  expected = (await earlier({ pixel_values: picture(1, [1, 3, 32, 32]) })).logits.data;
  env.platform.writeFolder = async () => {
    throw new Error('something was written');
  };
});
afterEach(async () => {
  expect((await earlier({ pixel_values: picture(1, [1, 3, 32, 32]) })).logits.data).toEqual(expected);
});

async function load({ files, picture: isPicture, single }: Malformed): Promise<unknown> {
  if (single) {
    const [[name, bytes]] = Object.entries(files);
    return env.platform.openModelFile!(bytes!, name);
  }
  if (isPicture) {
    const [[name, bytes]] = Object.entries(files);
    return load_image(new File([bytes as Uint8Array<ArrayBuffer>], name));
  }
  const left = Object.entries({ ...sound, ...files }).filter(([, bytes]) => bytes !== null);
  const where = memoryFolder(Object.fromEntries(left) as Record<string, Uint8Array>);
  await MobileNetV2ImageProcessor.from_pretrained(where);
  return MobileNetV2ForImageClassification.from_pretrained(where);
}

it('are more than 300, no two of one name', () => {
  expect(CASES.length).toBeGreaterThan(300);
  const names = CASES.map(({ name }) => name);
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  expect(writeFolder).toBeDefined();
});

describe('is read with a warning, as Pillow and browsers read it', () => {
  it.each(CASES.filter(({ name }) => TAKEN.has(name)).map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const warnings: string[] = [];
    const said = env.onWarning;
    env.onWarning = (message) => warnings.push(message);
    const { ms, error } = await timed(() => load(one));
    env.onWarning = said;
    expect(error).toBeUndefined();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(Object.keys(one.files)[0]);
    const [what] = one.name.split(':');
    ledger.add({ what, tried: 1, accepted: 1, worstMs: ms, rssMiB: resident() });
  });
});

describe('is refused', () => {
  it.each(CASES.filter(({ name }) => !TAKEN.has(name)).map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const { ms, error } = await timed(() => load(one));
    if (!(error instanceof MobileNetError)) throw new Error(`expected ${one.code}, got ${error}`, { cause: error });
    expect([one.code].flat(), error.message).toContain(error.code);
    const own = Object.keys(one.files);
    const file = one.file ?? own[own.length - 1];
    if (file !== '') expect(error.file?.endsWith(file), `${error.file}: ${error.message}`).toBe(true);
    if (one.tensor !== undefined) expect(error.tensor, error.message).toBe(one.tensor);
    if (one.offset !== undefined) expect(error.offset, error.message).toBe(one.offset);
    expect(error.message.length).toBeLessThan(500);
    expect(error.message).not.toContain('\n');
    expect(ms).toBeLessThan(2000);
    const [what] = one.name.split(':');
    ledger.add({ what, tried: 1, accepted: 0, worstMs: ms, rssMiB: resident() });
  });
});
