/** `--model`: what is read of it, and what is refused. */
import { describe, expect, it } from 'vitest';
import { checkModels, parseModel } from '../src/workers/models.js';
import { WorkerPool } from '../src/workers/pool.js';

describe('--model', () => {
  it.each([
    ['a=./folder', { name: 'a', where: './folder' }],
    ['a=google/mobilenet_v2_1.0_224', { name: 'a', where: 'google/mobilenet_v2_1.0_224' }],
    ['a=x=y,z,task=segment', { name: 'a', where: 'x=y,z', task: 'segment' }],
    ['a=x,task=image-feature-extraction', { name: 'a', where: 'x', task: 'features' }],
    ['deeplab,task=segment', { name: 'deeplab', task: 'segment' }],
    ['mobilenet_v2', { name: 'mobilenet_v2' }],
  ])('%s', (text, spec) => {
    expect(parseModel(text)).toEqual(spec);
  });

  it.each(['', '=x', 'a=', 'a b=x', 'a/b=x', 'a=x,task=dance', 'a=x,task='])('refuses %j', (text) => {
    expect(() => parseModel(text)).toThrow(`--model ${text}: expected`);
  });

  it('refuses a name that is there twice', () => {
    expect(() => checkModels([{ name: 'a' }, { name: 'b' }, { name: 'a' }])).toThrow(
      '--model a: the name is there twice',
    );
  });

  it('says which folder has no model', async () => {
    const models = [{ name: 'a', where: './no/such/folder' }];
    await expect(WorkerPool.start({ workers: 1, models })).rejects.toMatchObject({
      message: expect.stringContaining('no/such/folder'),
    });
  });
});
