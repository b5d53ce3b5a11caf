/**
 * What `save_pretrained` writes, read by Python's transformers. Needs a Python with torch and transformers, named by the
 * environment variable ORACLE_PYTHON; goldens/models/check_saved.py does the comparison.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  MobileNetV2Config,
  type MobileNetV2ConfigOptions,
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2Model,
  type SavePretrainedOptions,
  Tensor,
} from '../../src/entries/main-node.js';
import { writeSafetensors } from '../../src/formats/safetensors.js';
import { temporaryFolder } from '../helpers/cli.js';
import { formulaTensor } from '../helpers/formula.js';
import { shared, withoutShared } from '../helpers/shared.js';

const python = process.env.ORACLE_PYTHON;
if (python === undefined) console.log('ORACLE_PYTHON is not set: loading into Python what we save left out');

const GOLDENS = new URL('../goldens/models/', import.meta.url);
const CLASSES = { MobileNetV2Model, MobileNetV2ForImageClassification, MobileNetV2ForSemanticSegmentation };
type Model = InstanceType<(typeof CLASSES)[keyof typeof CLASSES]>;

/** Saves a model, loads it again, and leaves beside it what it then computes. */
async function saveWithOutputs(model: Model, folder: string, dims: number[], options?: SavePretrainedOptions) {
  await model.save_pretrained(folder, options);
  const again = await (model.constructor as typeof MobileNetV2Model).from_pretrained(folder);
  const pixel_values = new Tensor('float32', formulaTensor('pixel_values', dims), dims);
  const { hidden_states, ...outputs } = await again({ pixel_values, output_hidden_states: true });
  const tensors = new Map<string, Tensor>(Object.entries({ pixel_values, ...(outputs as object) }));
  for (const [index, state] of hidden_states!.entries()) tensors.set(`hidden_states.${index}`, state);
  writeFileSync(`${folder}/outputs.safetensors`, writeSafetensors(tensors));
}

function check(folders: readonly string[]): void {
  const script = fileURLToPath(new URL('check_saved.py', GOLDENS));
  // Throws where one failed, with all that Python said.
  const report = execFileSync(python!, [script, ...folders], { encoding: 'utf8', stdio: 'pipe' });
  for (const folder of folders) console.log(report.split('\n').find((line) => line.startsWith(`PASS ${folder}:`)));
  expect(report.match(/^PASS /gm)).toHaveLength(folders.length);
}

describe.skipIf(python === undefined)('transformers reads what save_pretrained writes', () => {
  it('every golden configuration', async () => {
    const { cases } = JSON.parse(readFileSync(new URL('cases.json', GOLDENS), 'utf8')) as {
      cases: {
        name: string;
        class: keyof typeof CLASSES;
        config: MobileNetV2ConfigOptions;
        pixel_values: number[];
        add_pooling_layer?: boolean;
      }[];
    };
    const top = temporaryFolder();
    const folders: string[] = [];
    for (const one of cases) {
      if (one.add_pooling_layer === false) continue; // is no field of config.json
      const model = new CLASSES[one.class](new MobileNetV2Config(one.config));
      for (const [name, { data, dims, type }] of model.state_dict()) {
        if (type === 'float32') (data as Float32Array).set(formulaTensor(name, dims));
      }
      folders.push(`${top}/${one.name}`);
      await saveWithOutputs(model, folders.at(-1)!, one.pixel_values);
    }
    check(folders);
  });

  it('the checkpoint that ships, as a classifier and as a base model, in every type of file', async () => {
    const top = temporaryFolder();
    const dims = [1, 3, 160, 160];
    for (const dtype of ['float32', 'float16', 'bfloat16'] as const) {
      const classifier = await MobileNetV2ForImageClassification.from_pretrained();
      await saveWithOutputs(classifier, `${top}/classifier-${dtype}`, dims, { dtype });
      await saveWithOutputs(await MobileNetV2Model.from_pretrained(), `${top}/base-${dtype}`, dims, { dtype });
    }
    check(
      ['float32', 'float16', 'bfloat16'].flatMap((dtype) => [`${top}/classifier-${dtype}`, `${top}/base-${dtype}`]),
    );
  });

  it.skipIf(withoutShared('real checkpoints saved again'))('real checkpoints', async () => {
    const top = temporaryFolder();
    const classifier = shared('weights/mobilenet_v2_1.0_224');
    await saveWithOutputs(
      await MobileNetV2ForImageClassification.from_pretrained(classifier),
      `${top}/classifier`,
      [1, 3, 224, 224],
    );
    const folders = [`${top}/classifier`];
    for (const name of ['1.0_513', '0.5_513', '0.5_257']) {
      const folder = shared(`weights/deeplabv3_mobilenet_v2_${name}`);
      if (!existsSync(folder)) continue;
      folders.push(`${top}/segmenter-${name}`, `${top}/base-${name}`);
      const dims = [1, 3, 257, 257];
      await saveWithOutputs(await MobileNetV2ForSemanticSegmentation.from_pretrained(folder), folders.at(-2)!, dims);
      await saveWithOutputs(await MobileNetV2Model.from_pretrained(folder), folders.at(-1)!, dims);
    }
    check(folders);
  });
});

it('numbers that float16 cannot hold are refused by name, and nothing is written', async () => {
  const folder = temporaryFolder();
  const model = new MobileNetV2ForImageClassification(new MobileNetV2Config({ depth_multiplier: 0.35, num_labels: 2 }));
  const state = model.state_dict();
  const bias = (value: number) => new Map(state).set('classifier.bias', new Tensor('float32', [0, value], [2]));
  model.load_state_dict(bias(65_519));
  await model.save_pretrained(folder, { dtype: 'float16' });
  const before = readFileSync(`${folder}/model.safetensors`);
  for (const value of [65_520, -70_000]) {
    model.load_state_dict(bias(value));
    await expect(model.save_pretrained(folder, { dtype: 'float16' })).rejects.toMatchObject({
      ...{ code: 'NONFINITE', tensor: 'classifier.bias', names: ['classifier.bias'] },
    });
    expect(readFileSync(`${folder}/model.safetensors`)).toEqual(before);
  }
  await model.save_pretrained(folder, { dtype: 'bfloat16' });
});
