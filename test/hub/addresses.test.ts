/** What people paste or give as a model: addresses of the hub's pages, files of other frameworks, what git and servers leave. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { convert } from '../../src/entries/convert-node.js';
import { MobileNetV2Config, MobileNetV2ForImageClassification, pipeline } from '../../src/entries/main-node.js';
import { hubPlace } from '../../src/hub/names.js';
import { ROOT, temporaryFolder } from '../helpers/cli.js';
import { saveTinyClassifier } from '../helpers/tiny.js';
import { expectError, memoryFolder, utf8 } from '../helpers/weight-files.js';
import { refusal, testHub } from './helpers.js';

describe('an address of the hub', () => {
  const repo = 'org/name';
  it.each<[string, object | undefined]>([
    ['https://huggingface.co/org/name', { repo }],
    ['https://huggingface.co/org/name/', { repo }],
    ['http://www.huggingface.co/org/name?library=transformers#files', { repo }],
    ['huggingface.co/org/name', { repo }],
    ['https://hf.co/org/name', { repo }],
    ['https://huggingface.co/models/org/name', { repo }],
    ['hf://org/name', { repo }],
    ['hf://org/name@v1', { repo, revision: 'v1' }],
    ['https://huggingface.co/org/name/tree/main', { repo, revision: 'main' }],
    ['https://huggingface.co/org/name/tree/main/sub/folder', { repo, revision: 'main', subfolder: 'sub/folder' }],
    ['https://huggingface.co/org/name/blob/v1.0/config.json', { repo, revision: 'v1.0' }],
    ['https://huggingface.co/org/name/resolve/main/model.safetensors?download=true', { repo, revision: 'main' }],
    ['https://huggingface.co/org/name/resolve/main/', { repo, revision: 'main' }],
    ['https://huggingface.co/org/name/resolve/main/a%20b/x.bin', { repo, revision: 'main', subfolder: 'a b' }],
    ['https://huggingface.co/org/name/tree/main/50%/x', { repo, revision: 'main', subfolder: '50%/x' }],
    ['https://huggingface.co/org/name/tree/refs%2Fpr%2F3', { repo, revision: 'refs/pr/3' }],
    ['https://huggingface.co/org/name/tree/refs/pr/3/sub', { repo, revision: 'refs/pr/3', subfolder: 'sub' }],
    ['https://huggingface.co/org/name/discussions/3', { repo }],
    ['https://mirror.example/org/name/tree/main', { repo, revision: 'main' }],
    ['mirror.example/org/name', undefined],
    ['https://example.com/org/name', undefined],
    ['https://huggingface.co/org', undefined],
    ['https://huggingface.co.evil.example/org/name', undefined],
    ['org/name', undefined],
    ['./org/name', undefined],
    ['', undefined],
  ])('%s', (text, expected) => expect(hubPlace(text, 'https://mirror.example/')).toEqual(expected));

  it('of a space or a dataset is refused', async () => {
    for (const kind of ['spaces', 'datasets']) {
      await expectError(() => hubPlace(`https://huggingface.co/${kind}/org/name`, ''), { code: 'ARG', says: [kind] });
    }
  });

  it('loads as the name does, and an option of the call comes first', async () => {
    const { hub } = await testHub();
    using classify = await pipeline('image-classification', `${hub.endpoint}/org/dogs/tree/main`, { threads: 1 });
    const [best] = (await classify(join(ROOT, 'examples/husky.png'))) as { label: string }[];
    expect(best.label).toBe('Siberian husky');
    const page = 'https://huggingface.co/org/dogs/blob/main/config.json';
    expect((await MobileNetV2Config.from_pretrained(page)).image_size).toBe(160);
    const error = await refusal(MobileNetV2Config.from_pretrained(page, { revision: 'absent' }));
    expect(error.message).toContain('absent');
    const converted = await convert(`${hub.endpoint}/org/dogs/resolve/main/model.safetensors`);
    expect(converted.from).toBe('huggingface');
  });
});

describe('given as a model', () => {
  const load = (path: string) => refusal(pipeline('image-classification', path));

  it.each([
    ['flowers.h5', 'npx mobilenet-v2 convert'],
    ['flowers.keras', 'npx mobilenet-v2 convert'],
    ['best.pth', 'npx mobilenet-v2 convert'],
    ['last.ckpt', 'npx mobilenet-v2 convert'],
    ['model.json', 'npx mobilenet-v2 convert'],
    ['other.safetensors', 'npx mobilenet-v2 convert'],
    ['model.onnx', 'ONNX'],
    ['model.safetensors', 'give its folder'],
    ['config.json', 'give its folder'],
  ])('the file %s', async (name, says) => {
    const path = join(temporaryFolder(), name);
    expect((await load(path)).message).toContain('no such file');
    writeFileSync(path, '');
    const error = await load(path);
    expect(error).toMatchObject({ code: 'NOT_FOUND', file: path });
    expect(error.message).toContain(says);
    expect((await refusal(MobileNetV2ForImageClassification.from_pretrained(path))).message).toBe(error.message);
  });

  it('a folder of timm', async () => {
    const golden = new URL('../goldens/convert/timm/', import.meta.url);
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'config.json'), readFileSync(new URL('config.json', golden)));
    writeFileSync(join(folder, 'model.safetensors'), gunzipSync(readFileSync(new URL('model.safetensors.gz', golden))));
    for (const error of [
      await load(folder),
      await refusal(MobileNetV2ForImageClassification.from_pretrained(folder)),
      await refusal(MobileNetV2ForImageClassification.from_pretrained(folder, { strict: false })),
    ]) {
      expect(error.message).toContain('timm');
      expect(error.message).toContain('npx mobilenet-v2 convert');
    }
  });

  it('a folder with the config of timm alone', async () => {
    const folder = temporaryFolder();
    const config = new URL('../goldens/convert/timm/config.json', import.meta.url);
    writeFileSync(join(folder, 'config.json'), readFileSync(config));
    for (const error of [
      await load(folder),
      await refusal(MobileNetV2ForImageClassification.from_pretrained(folder)),
    ]) {
      expect(error.message).toContain(`${folder}: holds a model of timm`);
      expect(error.message).toContain('npx mobilenet-v2 convert');
      expect(error.message).not.toContain('preprocessor_config.json');
    }
  });

  it.each([
    ['model.json', 'TensorFlow.js'],
    ['saved_model.pb', 'SavedModel'],
    ['onnx/model.onnx', 'ONNX'],
  ])('a folder with %s', async (file, says) => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'onnx'));
    writeFileSync(join(folder, file), 'x');
    expect((await load(folder)).message).toContain(says);
  });

  it('an address of another server', async () => {
    expect(await load('https://example.com/model')).toMatchObject({ code: 'ARG' });
  });
});

describe('in the place of a file', () => {
  const LFS = 'version https://git-lfs.github.com/spec/v1\noid sha256:0a1b\nsize 14012345\n';
  it.each([
    ['a git-lfs pointer', LFS, 'git lfs pull'],
    ['a page', '\ufeff<!doctype html>\n<html lang="en"><head></head></html>', 'web page'],
    ['a page with a comment first', '<!-- saved --><HTML>', 'web page'],
    ['an error of a bucket', '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', 'XML'],
    ['the hub’s answer', 'Entry not found', 'Entry not found'],
  ])('%s', async (_, text, says) => {
    for (const file of ['model.safetensors', 'config.json', 'preprocessor_config.json']) {
      const folder = temporaryFolder();
      await saveTinyClassifier(folder);
      writeFileSync(join(folder, file), text);
      const error = await refusal(pipeline('image-classification', folder));
      expect(error).toMatchObject({ code: 'BAD_HEADER', file: expect.stringContaining(file) });
      expect(error.message).toContain(says);
    }
    await expectError(() => convert(utf8(text), { file: 'm.h5' }), { code: 'BAD_HEADER', says: ['m.h5', says] });
  });
});

describe('convert says what it reads', () => {
  it.each<[string, Uint8Array, string[]]>([
    ['m.tflite', utf8('text'), ['TensorFlow Lite (.tflite)', 'got 4 bytes']],
    ['m.onnx', utf8('\x08\x07\x12\x07pytorch'), ['ONNX']],
    ['m.bin', Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0), ['gzip', '.h5', 'model.json']],
    ['m.dat', new Uint8Array(0), ['empty file']],
    ['photo.jpg', Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 16, 74, 70, 73, 70), ['torchvision', 'timm']],
  ])('%s', async (file, bytes, says) => {
    await expectError(() => convert(bytes, { file }), { code: 'UNSUPPORTED', file, says });
  });

  it('takes the folder where one of its files is named', async () => {
    const folder = temporaryFolder();
    await saveTinyClassifier(folder);
    expect((await convert(join(folder, 'config.json'))).from).toBe('huggingface');
    expect((await convert(join(folder, 'model.safetensors'))).from).toBe('huggingface');
  });

  it('a file whose name tells nothing', async () => {
    const folder = temporaryFolder();
    writeFileSync(
      join(folder, 'checkpoint'),
      gunzipSync(readFileSync(new URL('../goldens/convert/torchvision.pth.gz', import.meta.url))),
    );
    expect((await convert(join(folder, 'checkpoint'))).from).toBe('torchvision');
    writeFileSync(join(folder, 'notes'), 'hello, world');
    await expectError(() => convert(join(folder, 'notes')), { code: 'UNSUPPORTED', says: ['.h5', 'timm'] });
    await expectError(() => convert(join(folder, 'absent')), { code: 'NOT_FOUND', says: ['absent'] });
  });

  it('a folder without weights', async () => {
    await expectError(() => convert(memoryFolder({ 'saved_model.pb': utf8('x') })), {
      code: 'NOT_FOUND',
      says: ['model.safetensors', 'SavedModel'],
    });
  });
});
