/** Folders of pictures: how they are understood, split, read once, and handed out. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PNG } from 'pngjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MobileNetV2ImageProcessor } from '../../src/entries/main-node.js';
import type { DirectoryHandle } from '../../src/train/data/files.js';
import { ImageFolder, type ImageFolderOptions } from '../../src/train/data/image-folder.js';
import { leastSize } from '../../src/train/data/reader.js';
import { Random } from '../../src/train/random.js';
import { expectRefusal } from '../helpers/pictures.js';
import { makePixels } from '../helpers/processor-inputs.js';

const processor = new MobileNetV2ImageProcessor({ size: { shortest_edge: 20 }, crop_size: { height: 16, width: 16 } });

/** A picture of noise, so that no two are alike. */
function noise(seed: number, width = 24, height = 20): Buffer {
  const png = new PNG({ width, height });
  const { data } = makePixels('noise', width, height, 3, seed);
  for (let i = 0; i < width * height; i++) png.data.set([...data.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  return PNG.sync.write(png);
}

/** A mask, grey, as `png` writes what its own filter made. */
function mask(classes: readonly number[], width: number, height: number): Buffer {
  const png = new PNG({ width, height, colorType: 0, inputColorType: 0, inputHasAlpha: false });
  png.data = Buffer.from(classes);
  return PNG.sync.write(png, { colorType: 0, inputColorType: 0, inputHasAlpha: false });
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'image-folder-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(files: Record<string, Uint8Array | string>): void {
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
}

const classes = (counts: Record<string, number>, above = ''): Record<string, Buffer> =>
  Object.fromEntries(
    Object.entries(counts).flatMap(([label, count], c) =>
      Array.from({ length: count }, (_, i) => [
        `${above}${label}/${i}.png`,
        noise(100 * c + i + above.length * 1000 + 1),
      ]),
    ),
  );

const open = (options: Partial<ImageFolderOptions> = {}) => ImageFolder.open(folder, { processor, ...options });
const filesIn = ({ length, file }: ImageFolder['train'], part: ImageFolder['train']) =>
  Array.from({ length }, (_, i) => file.call(part, i));

describe('classes as folders', () => {
  it('are numbered by their letters, and split class by class', async () => {
    write(classes({ '10': 10, b: 5, '2': 20 }));
    write({ '.hidden/x.png': noise(1), 'b/.DS_Store': 'x', 'b/notes.txt': 'x', 'loose.png': noise(999) });
    const { train, test, id2label, problems, testFolder } = await open();
    expect(id2label).toEqual({ 0: '10', 1: '2', 2: 'b' });
    const counts = (targets: Int32Array) => [0, 1, 2].map((id) => targets.filter((each) => each === id).length);
    expect([counts(train.targets!), counts(test.targets!)]).toEqual([
      [8, 16, 4],
      [2, 4, 1],
    ]);
    expect(problems).toEqual([{ file: 'loose.png', reason: 'lies in no folder, so it has no class' }]);
    expect(testFolder).toBeUndefined();
    expect(train.dims).toEqual([3, 16, 16]);
    for (let i = 0; i < test.length; i++) expect(id2label[test.targets![i]!]).toBe(dirname(test.file(i)));
  });

  it('are split by the seed alone', async () => {
    write(classes({ a: 30, b: 30 }));
    const [first, again, other] = await Promise.all([open(), open(), open({ seed: 1 })]);
    const names = ({ test }: ImageFolder) => filesIn(test, test);
    expect(names(again!)).toEqual(names(first!));
    expect(names(other!)).not.toEqual(names(first!));
    const all = [...filesIn(first!.train, first!.train), ...names(first!)];
    expect(new Set(all).size).toBe(60);
  });

  it('may have the first of several names', async () => {
    write(classes({ malamute: 2, b: 2 }));
    const { id2label, train } = await open({ labels: ['b', 'malamute, malemute', 'c'], testShare: 0 });
    expect(id2label[1]).toBe('malamute, malemute');
    expect([...train.targets!]).toEqual([0, 0, 1, 1]);
  });

  it('may lie below train and val, which is evaluated before test', async () => {
    write({ ...classes({ a: 3, b: 2 }, 'train/'), ...classes({ a: 1 }, 'val/'), ...classes({ b: 2 }, 'test/') });
    const { train, test, testFolder } = await open();
    expect([train.length, test.length, testFolder]).toEqual([5, 1, 'val']);
    expect(test.file(0)).toBe('val/a/0.png');
    const last = await open({ onlyTest: true, labels: ['a', 'b'] });
    expect([last.train.length, last.testFolder, filesIn(last.test, last.test)]).toEqual([
      ...[0, 'test'],
      ['test/b/0.png', 'test/b/1.png'],
    ]);
  });

  it('may be called train themselves', async () => {
    write(classes({ train: 4, plane: 4 }));
    expect((await open()).id2label).toEqual({ 0: 'plane', 1: 'train' });
  });

  it('have to be those of the labels, in their order', async () => {
    write(classes({ a: 4, b: 4 }));
    const { id2label, train } = await open({ labels: ['b', 'c', 'a'], testShare: 0 });
    expect(id2label).toEqual({ 0: 'b', 1: 'c', 2: 'a' });
    expect([...train.targets!]).toEqual([2, 2, 2, 2, 0, 0, 0, 0]);
    await expectRefusal(() => open({ labels: ['a'] }), 'ARG', /expected a folder for each class, a, got b too/);
    write(classes({ c: 1 }, 'val/'));
    write(classes({ a: 1 }, 'train/'));
    await expectRefusal(() => open(), 'ARG', /expected a folder for each class, a, got c too/);
  });

  it('are told what is missing', async () => {
    write({ 'a.png': noise(1) });
    await expectRefusal(() => open(), 'ARG', /expected a folder of pictures for each class.*a\.png lies in no folder/);
    await expectRefusal(() => ImageFolder.open(`${folder}/none`, { processor }), 'NOT_FOUND', /no such folder/);
    await expectRefusal(() => ImageFolder.open(`${folder}/a.png`, { processor }), 'NOT_FOUND', /got a file/);
    await expectRefusal(() => open({ task: 'segment' }), 'ARG', /expected pictures in images\//);
    await expectRefusal(() => open({ augmentation: { scale: [0, 1] } }), 'ARG', /scale: expected/);
    await expectRefusal(() => open({ augmentation: { hue: 1 } as never }), 'ARG', /unknown option "hue"/);
  });
});

describe('what is wrong with files', () => {
  it('is reported, and the others are taken', async () => {
    write({ ...classes({ a: 3, b: 3 }), 'a/broken.png': noise(7).subarray(0, 60), 'b/text.jpg': 'no picture' });
    const { train, test, problems } = await open();
    expect(train.length + test.length).toBe(6);
    expect(problems.map(({ file }) => file)).toEqual(['a/broken.png', 'b/text.jpg']);
    expect(problems[1]!.reason).toMatch(/^expected a PNG or JPEG picture/);
  });

  it('is all there is', async () => {
    write({ 'a/1.png': 'x', 'b/1.png': 'x' });
    await expectRefusal(() => open(), 'ARG', /2 that cannot be used: a\/1\.png expected/);
  });
});

describe('near duplicates', () => {
  /** The same picture, a little lighter. */
  const lighter = (seed: number): Buffer => {
    const png = PNG.sync.read(noise(seed));
    for (let i = 0; i < png.data.length; i++) png.data[i] = Math.min(255, png.data[i]! + 3);
    return PNG.sync.write(png);
  };

  it('are found, and stay on one side of a split', async () => {
    const pictures = classes({ a: 20, b: 20 });
    for (let i = 0; i < 20; i++) pictures[`a/${i}-copy.png`] = lighter(i + 1);
    write(pictures);
    const { train, nearDuplicates } = await open({ testShare: 0.5 });
    expect(nearDuplicates).toHaveLength(20);
    for (const { files, distance, leaks, contradicts } of nearDuplicates) {
      const [copy, own] = [...files].sort();
      expect(copy!.replace('-copy', '')).toBe(own);
      expect([distance <= 10, leaks, contradicts]).toEqual([true, false, false]);
    }
    const names = filesIn(train, train);
    expect(names.filter((name) => name.startsWith('a/'))).toHaveLength(20);
  });

  /** Frames of a camera: something small moves in them. All of them hang together. */
  const frames = (count: number, seed: number): Buffer[] =>
    Array.from({ length: count }, (_, n) => {
      const png = PNG.sync.read(noise(seed, 96, 80));
      for (let y = 30; y < 50; y++) png.data.fill(255, 4 * (96 * y + n), 4 * (96 * y + n + 10));
      return PNG.sync.write(png);
    });

  it('are cut by time where a class would not be evaluated', async () => {
    const pictures: Record<string, Buffer> = { 'b/0.png': noise(1), 'b/1.png': noise(1) };
    for (const [n, frame] of frames(20, 7).entries()) pictures[`a/${n + 100}.png`] = frame;
    for (const [n, frame] of frames(3, 8).entries()) pictures[`a/${n + 200}.png`] = frame;
    write(pictures);
    for (const seed of [1, 2, 3, 4]) {
      const { test, train, nearDuplicates } = await open({ seed });
      expect(nearDuplicates.length).toBeGreaterThan(19);
      // The short recording as a whole, or the end of the long one; and one of two pictures that are the same.
      const [short, long] = [/^a\/20\d/, /^a\/1\d\d/];
      const names = filesIn(test, test);
      if (names.some((name) => short.test(name))) {
        expect(names).toEqual(['a/200.png', 'a/201.png', 'a/202.png', 'b/1.png']);
        expect(nearDuplicates.filter(({ leaks, files: [file] }) => leaks && file.startsWith('a/'))).toEqual([]);
      } else {
        expect(names).toEqual(['a/115.png', 'a/116.png', 'a/117.png', 'a/118.png', 'a/119.png', 'b/1.png']);
        expect(filesIn(train, train).filter((name) => long.test(name))).toHaveLength(15);
      }
    }
  });

  it('may be told: frames of a recording stay together though none is like another', async () => {
    write(classes({ a: 20, b: 20 }));
    const partOf = (path: string) => (path.startsWith('b/') ? 'recording' : path.replace(/^a\/1?(\d).*/, '$1'));
    for (const seed of [1, 2, 3]) {
      const { test, nearDuplicates } = await open({ seed, partOf });
      expect(nearDuplicates).toEqual([]);
      const [a, b] = ['a/', 'b/'].map((label) => filesIn(test, test).filter((name) => name.startsWith(label)));
      expect(b).toEqual(['b/6.png', 'b/7.png', 'b/8.png', 'b/9.png']); // the last by name
      const parts = a!.map(partOf);
      expect([parts.length, new Set(parts).size]).toEqual([4, 2]); // in twos: a/3.png and a/13.png
    }
  });

  it('of two classes do not take the only picture of one away', async () => {
    write({ 'a/0.png': noise(1), 'b/0.png': lighter(1), 'a/1.png': noise(2), 'b/1.png': lighter(2) });
    for (const seed of [1, 2, 3, 4]) {
      const { train, test } = await open({ seed });
      expect([[...train.targets!], [...test.targets!]]).toEqual([
        [0, 1],
        [0, 1],
      ]);
    }
  });

  it('are none of pictures that are plain, or have stripes that lie', async () => {
    for (let i = 0; i < 4; i++) {
      const png = new PNG({ width: 40, height: 40 });
      for (let at = 0; at < 1600; at++)
        png.data.fill(Math.floor(at / 40 / (3 + i)) % 2 ? 200 : 40 * i, 4 * at, 4 * at + 4);
      write({ [`a/${i}.png`]: PNG.sync.write(png), [`b/${i}.png`]: noise(i + 1) });
    }
    const { nearDuplicates, test } = await open({ testShare: 0.5 });
    expect([nearDuplicates, test.length]).toEqual([[], 4]);
  });

  it('say where figures will be too good, and where a class is wrong', async () => {
    write({ ...classes({ a: 2, b: 2 }, 'train/'), 'val/a/1.png': lighter(6002), 'train/b/9.png': lighter(6001) });
    write({ 'train/a/0.png': noise(6001), 'train/a/1.png': noise(6002) });
    const { nearDuplicates } = await open();
    expect(nearDuplicates.map(({ files, leaks, contradicts }) => [...files, leaks, contradicts])).toEqual([
      ['train/a/0.png', 'train/b/9.png', false, true],
      ['train/a/1.png', 'val/a/1.png', true, false],
    ]);
  });
});

describe('a picture', () => {
  it('is evaluated as its file is by the processor', async () => {
    write(classes({ a: 3, b: 3 }));
    write({ 'a/small.png': noise(50, 9, 7), 'b/long.png': noise(51, 90, 17) });
    for (const how of [processor, new MobileNetV2ImageProcessor({ size: 12, crop_size: { height: 18, width: 14 } })]) {
      for (const memoryBytes of [0, 1e6]) {
        const { train } = await open({ testShare: 0, processor: how, memoryBytes });
        for (let i = 0; i < train.length; i++) {
          const { pixel_values } = await how(join(folder, train.file(i)));
          expect((await train.item(i, null)).pixel_values).toEqual(pixel_values.data);
        }
      }
    }
  });

  it('changes with epoch and seed, and with nothing else', async () => {
    write(classes({ a: 4, b: 4 }));
    const jitter = { brightness: 0.3, contrast: 0.3, saturation: 0.3 };
    const [kept, decoded] = await Promise.all(
      [1e6, 0].map((memoryBytes) => open({ testShare: 0, memoryBytes, augmentation: jitter })),
    );
    const at = async ({ train }: ImageFolder, i: number, epoch: number) =>
      (await train.item(i, Random.at(1, epoch, i))).pixel_values;
    const order = [5, 0, 3];
    const alone = await Promise.all(order.map((i) => at(kept!, i, 0)));
    for (const [n, i] of [...order.entries()].reverse()) expect(await at(decoded!, i, 0)).toEqual(alone[n]);
    expect(await at(kept!, 5, 1)).not.toEqual(alone[0]);
    expect(await at(kept!, 5, 0)).toEqual(alone[0]);
  });

  it('is decoded once where memory is enough', async () => {
    write(classes({ a: 4, b: 4 }));
    const { env } = await import('../../src/base/env.js');
    const read = vi.spyOn(env.platform, 'readFile');
    const { train } = await open({ testShare: 0 });
    expect(read).toHaveBeenCalledTimes(8);
    for (let epoch = 0; epoch < 3; epoch++) await train.item(1, Random.at(1, epoch, 1));
    expect(read).toHaveBeenCalledTimes(8);
    const scarce = await open({ testShare: 0, memoryBytes: 3 * 24 * 20 * 2 });
    for (let i = 0; i < 8; i++) await scarce.train.item(i, Random.at(1, 0, i));
    expect(read).toHaveBeenCalledTimes(8 + 8 + 6); // two fit
    read.mockRestore();
  });

  it('is kept no larger than its crops need', async () => {
    const augmentation = {
      scale: [0.25, 1],
      ratio: [1, 1],
      flip: 0,
      brightness: 0,
      contrast: 0,
      saturation: 0,
    } as const;
    // A quarter of the area, half of each side, is still as large as the network's picture.
    expect(leastSize({ width: 4000, height: 4000 }, augmentation, { width: 224, height: 224 })).toEqual({
      width: 448,
      height: 448,
    });
    const small = { width: 300, height: 500 };
    expect(leastSize(small, augmentation, { width: 224, height: 224 })).toBe(small);
    write({ 'a/1.png': noise(1, 400, 300), 'a/2.png': noise(2, 400, 300), 'b/1.png': noise(3), 'b/2.png': noise(4) });
    const { train } = await open({ testShare: 0, memoryBytes: 3 * (2 * 34 * 26 + 2 * 24 * 20) });
    const { env } = await import('../../src/base/env.js');
    const read = vi.spyOn(env.platform, 'readFile');
    for (let i = 0; i < 4; i++) await train.item(i, Random.at(1, 0, i));
    expect(read).not.toHaveBeenCalled();
    read.mockRestore();
  });

  it('is shown to people', async () => {
    write(classes({ a: 2, b: 2 }));
    const { train } = await open({ testShare: 0 });
    expect((await train.picture(0)).size).toEqual([24, 20]);
    expect((await train.picture(0, 12)).size).toEqual([12, 10]);
    await expectRefusal(() => train.item(4, null), 'ARG', /index: expected a whole number below 4/);
  });
});

describe('masks', () => {
  const stripes = Array.from({ length: 24 * 20 }, (_, i) => (i % 24 < 12 ? 0 : 3));

  it('belong to the picture of the same name', async () => {
    write({ 'images/1.png': noise(1), 'masks/1.png': mask(stripes, 24, 20), 'images/2.png': noise(2) });
    write({ 'images/deep/3.png': noise(3), 'masks/deep/3.png': mask(stripes, 24, 20), 'masks/4.png': mask([0], 1, 1) });
    write({
      'images/5.png': noise(5),
      'masks/5.png': mask([0, 1, 2, 3], 2, 2),
      'images/6.png': noise(6),
      'masks/6.png': noise(7),
    });
    const { train, problems, id2label } = await open({ task: 'segment', testShare: 0 });
    expect(filesIn(train, train)).toEqual(['images/1.png', 'images/deep/3.png']);
    expect(id2label).toEqual({ 0: 'LABEL_0', 1: 'LABEL_1', 2: 'LABEL_2', 3: 'LABEL_3' });
    expect(problems).toEqual([
      { file: 'images/2.png', reason: 'has no mask masks/2.png' },
      { file: 'masks/4.png', reason: 'has no picture in images/' },
      { file: 'images/5.png', reason: 'masks/5.png: expected the 24×20 pixels of images/5.png, got 2×2' },
      { file: 'images/6.png', reason: expect.stringMatching(/^masks\/6\.png: expected the number of a class/) },
    ]);
    expect(train.targets).toBeUndefined();
  });

  it('are cut as the processor cuts them, and have no class outside of the picture', async () => {
    write({ 'images/1.png': noise(1), 'masks/1.png': mask(stripes, 24, 20) });
    const { train } = await open({ task: 'segment', testShare: 0 });
    const { label } = await train.item(0, null);
    const path = (kind: string) => join(folder, kind, '1.png');
    const { labels } = await processor(path('images'), { segmentation_maps: path('masks') });
    expect([...(label as Int32Array)]).toEqual([...labels!.data].map(Number));
    const wide = new MobileNetV2ImageProcessor({ size: { shortest_edge: 20 }, crop_size: { height: 20, width: 40 } });
    const padded = await open({ task: 'segment', testShare: 0, processor: wide });
    const row = ((await padded.train.item(0, null)).label as Int32Array).subarray(0, 40);
    expect([...row]).toEqual([
      ...Array(8).fill(255),
      ...Array(12).fill(0),
      ...Array(12).fill(3),
      ...Array(8).fill(255),
    ]);
  });

  it('are cropped and mirrored with their picture', async () => {
    // Class and color of a pixel are the same; crops at their own size move pixels and mix none.
    const ids = Array.from({ length: 24 * 20 }, (_, i) => (i * 7) % 200);
    const png = new PNG({ width: 24, height: 20 });
    for (const [i, id] of ids.entries()) png.data.set([id, id, id, 255], 4 * i);
    write({ 'images/1.png': PNG.sync.write(png), 'masks/1.png': mask(ids, 24, 20) });
    const same = new MobileNetV2ImageProcessor({
      ...{ size: { height: 20, width: 24 }, do_center_crop: false, do_normalize: false, do_rescale: false },
    });
    const { train } = await open({
      task: 'segment',
      testShare: 0,
      processor: same,
      augmentation: { scale: [1, 1], ratio: [1.2, 1.2] },
    });
    const seen = new Set<number>();
    for (let i = 0; i < 8; i++) {
      const { pixel_values, label } = await train.item(0, Random.at(i));
      expect([...(label as Int32Array)]).toEqual([...pixel_values.subarray(0, 480)]);
      seen.add(pixel_values[0]!);
    }
    expect(seen).toEqual(new Set([ids[0], ids[23]]));
  });

  it('have no larger numbers than there are classes', async () => {
    write({ 'images/1.png': noise(1), 'masks/1.png': mask(stripes, 24, 20) });
    write({
      'images/2.png': noise(2),
      'masks/2.png': mask(
        stripes.map((id) => (id === 3 ? 255 : id)),
        24,
        20,
      ),
    });
    const { train, problems } = await open({ task: 'segment', testShare: 0, labels: ['none', 'cat', 'dog'] });
    expect(filesIn(train, train)).toEqual(['images/2.png']);
    expect(problems[0]!.reason).toBe('masks/1.png: expected numbers of classes below 3, and 255 for none, got 3');
  });

  it('lose their background where the processor takes it away', async () => {
    write({ 'images/1.png': noise(1), 'masks/1.png': mask(stripes, 24, 20) });
    const reducing = new MobileNetV2ImageProcessor({ ...processor.to_dict(), do_reduce_labels: true } as object);
    const { train, id2label } = await open({ task: 'segment', testShare: 0, processor: reducing });
    expect(Object.keys(id2label)).toHaveLength(3);
    expect(new Set((await train.item(0, null)).label as Int32Array)).toEqual(new Set([255, 2]));
  });
});

describe('in a page', () => {
  const named = (path: string, seed: number): [string, Blob] => [path, new Blob([new Uint8Array(noise(seed))])];

  it('files come with their paths', async () => {
    const files = [named('b/1.png', 1), named('a/1.png', 2), named('a/2.png', 3), named('b/2.png', 4)];
    for (const source of [files, new Map(files)]) {
      const { train } = await ImageFolder.open(source, { processor, testShare: 0 });
      expect(filesIn(train, train)).toEqual(['a/1.png', 'a/2.png', 'b/1.png', 'b/2.png']);
      const { pixel_values } = await processor(new Uint8Array(noise(4)));
      expect((await train.item(3, null)).pixel_values).toEqual(pixel_values.data);
    }
  });

  it('a chosen folder is not part of the paths', async () => {
    const files = ['photos/a/1.png', 'photos/b/1.png'].map((path, i) => {
      const file = new File([new Uint8Array(noise(i))], '1.png');
      return Object.defineProperty(file, 'webkitRelativePath', { value: path });
    });
    const { id2label } = await ImageFolder.open(files, { processor, testShare: 0 });
    expect(id2label).toEqual({ 0: 'a', 1: 'b' });
  });

  it('a directory handle is walked', async () => {
    const directory = (name: string, ...inside: unknown[]) => ({
      ...{ kind: 'directory', name },
      async *values() {
        yield* inside;
      },
    });
    const file = (seed: number) => ({
      ...{ kind: 'file', name: `${seed}.png` },
      getFile: async () => new File([new Uint8Array(noise(seed))], `${seed}.png`),
    });
    const top = directory('top', directory('b', file(3)), directory('a', file(1), file(2)));
    const { train } = await ImageFolder.open(top as unknown as DirectoryHandle, { processor, testShare: 0 });
    expect(filesIn(train, train)).toEqual(['a/1.png', 'a/2.png', 'b/3.png']);
  });

  it('anything else is refused', async () => {
    await expectRefusal(() => ImageFolder.open(7 as never, { processor }), 'ARG', /folder: expected a path/);
    await expectRefusal(() => ImageFolder.open([7] as never, { processor }), 'ARG', /folder\[0\]: expected a File/);
  });
});

it('ends when it is told to', async () => {
  write(classes({ a: 3, b: 3 }));
  const controller = new AbortController();
  const opening = open({ signal: controller.signal, progress_callback: () => controller.abort(new Error('enough')) });
  await expect(opening).rejects.toThrow('enough');
});
