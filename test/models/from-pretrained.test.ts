/** Loading models from folders of files: the faults that only show where files, links and weights come together. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { type FromPretrainedOptions, MobileNetV2ForImageClassification, Tensor } from '../../src/entries/main-node.js';
import { readSafetensors, writeSafetensors } from '../../src/formats/safetensors.js';
import { toFloat32, toInt64 } from '../../src/formats/stored.js';
import { temporaryFolder } from '../helpers/cli.js';
import { saveTinyClassifier } from '../helpers/tiny.js';

const BIAS = 'classifier.bias';
const SHARD = 'model-00001-of-00001.safetensors';

let folder: string;
let tensors: Map<string, Tensor>;
beforeEach(async () => {
  folder = temporaryFolder();
  await saveTinyClassifier(folder);
  const { tensors: stored } = readSafetensors(readFileSync(`${folder}/model.safetensors`), { file: 'm' });
  tensors = new Map([...stored].map(([name, t]) => [name, t.dtype === 'I64' ? toInt64(t) : toFloat32(t)]));
});

const load = (options?: FromPretrainedOptions) => MobileNetV2ForImageClassification.from_pretrained(folder, options);
const save = (file = 'model.safetensors') => writeFileSync(`${folder}/${file}`, writeSafetensors(tensors));

/** The folder's weights as a shard that is really elsewhere. */
function shardAt(path: string): void {
  mkdirSync(`${folder}/blobs`, { recursive: true });
  mkdirSync(`${folder}/model`);
  for (const file of ['config.json', 'preprocessor_config.json']) {
    writeFileSync(`${folder}/model/${file}`, readFileSync(`${folder}/${file}`));
  }
  save(path);
  symlinkSync(`../${path}`, `${folder}/model/${SHARD}`);
  const weight_map = Object.fromEntries([...tensors.keys()].map((name) => [name, SHARD]));
  writeFileSync(`${folder}/model/model.safetensors.index.json`, JSON.stringify({ metadata: {}, weight_map }));
  folder += '/model';
}

describe('weights', () => {
  // Row S7: a tensor that is needed has a type that is no weight's.
  it.each(['float64', 'int32', 'uint8', 'bool'] as const)('of %s are refused by name', async (type) => {
    tensors.set(BIAS, tensors.get(BIAS)!.to(type));
    save();
    await expect(load()).rejects.toMatchObject({ code: 'DTYPE', file: `${folder}/model.safetensors`, tensor: BIAS });
  });

  // Row S12.
  it.each([Number.NaN, Infinity])('with %s are refused, unless that is allowed', async (value) => {
    tensors.set(BIAS, new Tensor('float32', [0, value, 0], [3]));
    save();
    await expect(load()).rejects.toMatchObject({
      code: 'NONFINITE',
      file: `${folder}/model.safetensors`,
      tensor: BIAS,
    });
    const model = await load({ allowNonfinite: true });
    expect(model.state_dict().get(BIAS)!.tolist()).toEqual([0, value, 0]);
  });

  // Row S10.
  it('must be complete, unless strict is false', async () => {
    tensors.delete(BIAS);
    tensors.set('surprise', new Tensor('float32', [1], [1]));
    save();
    await expect(load()).rejects.toMatchObject({
      code: 'WEIGHTS',
      file: `${folder}/model.safetensors`,
      names: [BIAS, 'surprise'],
    });
    expect((await load({ strict: false })).newlyInitialized).toEqual([BIAS]);
  });
});

describe('a shard', () => {
  // Row S14.
  it('that is a link out of the folder is not opened', async () => {
    shardAt('elsewhere.safetensors');
    await expect(load()).rejects.toMatchObject({
      code: 'PATH_ESCAPE',
      file: `${folder}/${SHARD}`,
      message: expect.stringContaining('nothing was opened'),
    });
  });

  it('that is a link to a blob of a cache is read', async () => {
    shardAt(`blobs/${'0f'.repeat(20)}`);
    expect((await load()).newlyInitialized).toEqual([]);
  });
});
