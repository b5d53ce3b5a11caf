/** `mobilenet-v2 convert`, from files on disk to a folder that `classify` reads. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { beforeEach, expect, it } from 'vitest';
import { cli, temporaryFolder } from '../helpers/cli.js';
import { saveTinyClassifier, writeStripes } from '../helpers/tiny.js';

const golden = (name: string) => readFileSync(new URL(`../goldens/convert/${name}`, import.meta.url));

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
  writeFileSync(`${folder}/flowers.h5`, gunzipSync(golden('sequential.h5.gz')));
  writeFileSync(`${folder}/labels.txt`, 'rose\ntulip\ndaisy\n');
});

it('writes a folder that classify reads', async () => {
  const made = await cli([
    'convert',
    `${folder}/flowers.h5`,
    `${folder}/out`,
    '--labels',
    `${folder}/labels.txt`,
    '--dtype',
    'f16',
  ]);
  expect(made).toMatchObject({ code: 0 });
  expect(made.stdout).toMatch(
    /^keras → .*: MobileNetV2ForImageClassification, width 0.3, 64×64, 3 classes, .* float16\n$/,
  );
  expect(made.stderr).toContain('random_flip');
  expect(readdirSync(`${folder}/out`).sort()).toEqual(['config.json', 'model.safetensors', 'preprocessor_config.json']);
  const { code, stdout } = await cli(['classify', 'examples/husky.png', '--model', `${folder}/out`, '--json']);
  expect(code).toBe(0);
  const [{ labels }] = JSON.parse(stdout);
  expect(labels.map(({ label }: { label: string }) => label).sort()).toEqual(['daisy', 'rose', 'tulip']);
});

it('reports in JSON, and reads labels from JSON', async () => {
  writeFileSync(`${folder}/labels.json`, '{ "id2label": { "0": "a", "1": "b", "2": "c" } }');
  const args = ['convert', `${folder}/flowers.h5`, `${folder}/out`, '--labels', `${folder}/labels.json`, '--json'];
  const { code, stdout, stderr } = await cli(args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({
    from: 'keras',
    num_labels: 3,
    depth_multiplier: 0.3,
    image_size: 64,
    dtype: 'float32',
  });
  const config = JSON.parse(readFileSync(`${folder}/out/config.json`, 'utf8'));
  expect(config).toMatchObject({
    id2label: { 0: 'a', 1: 'b', 2: 'c' },
    architectures: ['MobileNetV2ForImageClassification'],
  });
});

it('says in a line what is wrong, and writes nothing', async () => {
  writeFileSync(`${folder}/cut.h5`, gunzipSync(golden('sequential.h5.gz')).subarray(0, 50_000));
  const cut = await cli(['convert', `${folder}/cut.h5`, `${folder}/out`]);
  expect(cut).toMatchObject({ code: 1, stdout: '' });
  expect(cut.stderr).toMatch(/^mobilenet-v2: cut\.h5: .*download it again.*\n$/);
  writeFileSync(`${folder}/two.txt`, 'rose\ntulip\n');
  const two = await cli(['convert', `${folder}/flowers.h5`, `${folder}/out`, '--labels', `${folder}/two.txt`]);
  expect(two).toMatchObject({ code: 1 });
  expect(two.stderr).toContain('2 labels');
  expect(readdirSync(folder)).not.toContain('out');
});

it.each([
  [['convert']],
  [['convert', 'a.h5']],
  [['convert', 'a.h5', 'b', '--dtype', 'f8']],
  [['convert', 'a.h5', 'b', '--size', '0']],
  [['convert', 'a.h5', 'b', '--pixel-range', '1,0']],
  [['convert', 'a.h5', 'b', '--labels', '/no/such/file']],
])('wrong usage: %o', async (args) => {
  expect((await cli(args)).code).toBe(2);
});

it('quantizes on pictures, and says how near the result is', async () => {
  await saveTinyClassifier(folder);
  mkdirSync(`${folder}/photos`);
  for (const seed of [1, 2, 3, 4]) writeStripes(`${folder}/photos`, `${seed}.png`, seed);
  const args = (to: string, ...more: string[]) => [
    'convert',
    folder,
    `${folder}/${to}`,
    '--calibrate',
    `${folder}/photos`,
    ...more,
  ];
  const text = await cli(args('int16', '--dtype', 'int16'));
  expect(text).toMatchObject({ code: 0, stderr: '' });
  expect(text.stdout).toMatch(/width 0\.1, 32×32, 3 classes, \d+ tensors as int16\n/);
  expect(text.stdout).toMatch(
    /\ncalibrated on 4 pictures: 100\.0 % have the class that float32 gives, outputs are off by \d\.\d %; worst layers: [\w.]+ \d+\.\d %, [\w.]+ .*, [\w.]+ .*%\n$/,
  );
  const { code, stdout } = await cli(args('int8', '--dtype', 'q8', '--observer', 'minmax', '--json'));
  expect(code).toBe(0);
  const { dtype, quantization } = JSON.parse(stdout);
  expect(dtype).toBe('int8');
  expect(quantization).toMatchObject({ pictures: 4, compared: 4 });
  expect(quantization.layers.length).toBeGreaterThan(60);
  for (const type of ['int8', 'int16']) {
    const config = JSON.parse(readFileSync(`${folder}/${type}/config.json`, 'utf8'));
    expect(config.quantization_config).toEqual({ quant_method: 'mobilenet-v2', dtype: type });
    const found = await cli(['classify', `${folder}/photos/1.png`, '--model', `${folder}/${type}`, '--json']);
    expect(found).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(found.stdout)[0].labels).toHaveLength(3);
  }
});

it.each([
  [['--dtype', 'int8'], /^mobilenet-v2: --dtype int8 needs pictures .*: --calibrate photos\n$/],
  [['--observer', 'mse'], /^mobilenet-v2: --observer is for --dtype int8 and int16\n$/],
  [['--dtype', 'f16', '--calibrate', '.'], /^mobilenet-v2: --calibrate is for --dtype int8 and int16\n$/],
  [['--dtype', 'int8', '--calibrate', '.', '--observer', 'best'], /Expected mse, percentile, average, minmax/],
  [['--dtype', 'int8', '--calibrate', '.ci'], /no pictures \(\.png, \.jpg, \.jpeg\) in/],
])('what cannot be quantized so: %o', async (flags, message) => {
  const { code, stderr } = await cli(['convert', `${folder}/flowers.h5`, `${folder}/out`, ...flags]);
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
  expect(readdirSync(folder)).not.toContain('out');
});
