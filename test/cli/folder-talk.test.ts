/** What `train` and `evaluate` say of a folder of pictures, without a process of its own. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { FolderTalk, processorOf } from '../../src/cli/folder-flags.js';
import { Session } from '../../src/cli/session.js';
import { TrainingTalk } from '../../src/cli/training-talk.js';
import { env, MobileNetV2ImageProcessor } from '../../src/entries/main-node.js';
import { Trainer } from '../../src/entries/train.js';
import { ROOT, temporaryFolder } from '../helpers/cli.js';
import { stripedPictures, tinyClassifier } from '../helpers/training.js';

/** What goes to a stream until the test is over. */
function written(stream: NodeJS.WriteStream): string[] {
  const lines: string[] = [];
  const spy = vi.spyOn(stream, 'write').mockImplementation((text) => {
    lines.push(String(text));
    return true;
  });
  onTestFinished(() => {
    spy.mockRestore();
    env.onWarning = null;
  });
  return lines;
}

describe('a folder', () => {
  it('that has a picture twice, with two classes, has both files named', async () => {
    const folder = temporaryFolder();
    const picture = readFileSync(join(ROOT, 'examples/cat.jpg'));
    for (const name of ['a', 'b']) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, '1.jpg'), picture);
    }
    const said = written(process.stderr);
    const processor = new MobileNetV2ImageProcessor();
    await new FolderTalk({}).open(folder, new Session(), { processor });
    expect(said).toEqual(['mobilenet-v2: nearly the same, with two classes: a/1.jpg and b/1.jpg\n']);
  });

  it('is seen at the size that is asked for', async () => {
    const sizeOf = async (size?: [number, number]) => {
      const { size: resized, crop_size, do_center_crop, image_mean } = await processorOf(undefined, size);
      return { resized, crop_size, do_center_crop, image_mean };
    };
    const usual = await sizeOf();
    const wide = { height: 64, width: 96 };
    expect(await sizeOf([64, 96])).toEqual({ ...usual, resized: wide, crop_size: wide });
    const square = { height: 96, width: 96 };
    expect(await sizeOf([96, 96])).toEqual({ ...usual, resized: { shortest_edge: 96 }, crop_size: square });
  });
});

it.each([
  ['head', 'classify', 'the head at 32×32, 3 epochs'],
  ['head', 'segment', 'the head at 32×32, batch norm frozen, 3 epochs'],
  ['last', 'classify', 'the last blocks at 32×32, batch norm frozen, 3 epochs'],
  ['all', 'classify', 'the whole network at 32×32, batch norm frozen, 3 epochs'],
] as const)('a training of %s, to %s, says what is trained', (train, task, says) => {
  const said = written(process.stdout);
  const pictures = stripedPictures(6);
  const trainer = new Trainer({ model: tinyClassifier(), train_dataset: pictures });
  const flags = { out: 'x', task, train, batchNorm: 'frozen' };
  new TrainingTalk(new FolderTalk({}), trainer, flags).begin('stripes', {
    ...{ train: pictures, test: pictures, id2label: pictures.id2label, testFolder: undefined },
  } as never);
  expect(said.join('')).toContain(says);
});
