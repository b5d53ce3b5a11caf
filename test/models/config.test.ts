import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MobileNetError } from '../../src/base/errors.js';
import type { Folder } from '../../src/base/folder.js';
import { MobileNetV2Config, type MobileNetV2ConfigOptions } from '../../src/models/mobilenet-v2/config.js';
import { shared, withoutShared } from '../helpers/shared.js';

const folderWith = (text: string): Folder => ({
  name: 'some/model',
  read: async (file) => (file === 'config.json' ? new TextEncoder().encode(text) : undefined),
});

async function refusal(make: () => unknown): Promise<MobileNetError> {
  try {
    await make();
  } catch (error) {
    expect(error).toBeInstanceOf(MobileNetError);
    expect((error as Error).message.length).toBeLessThan(500);
    return error as MobileNetError;
  }
  throw new Error('nothing was refused');
}

describe('MobileNetV2Config', () => {
  it('has the defaults of transformers', () => {
    expect(new MobileNetV2Config().to_dict()).toEqual({
      model_type: 'mobilenet_v2',
      num_channels: 3,
      image_size: 224,
      depth_multiplier: 1,
      depth_divisible_by: 8,
      min_depth: 8,
      expand_ratio: 6,
      output_stride: 32,
      first_layer_is_expansion: true,
      finegrained_output: true,
      hidden_act: 'relu6',
      tf_padding: true,
      classifier_dropout_prob: 0.8,
      initializer_range: 0.02,
      layer_norm_eps: 0.001,
      semantic_loss_ignore_index: 255,
      problem_type: null,
      output_hidden_states: false,
      id2label: { 0: 'LABEL_0', 1: 'LABEL_1' },
      label2id: { LABEL_0: 0, LABEL_1: 1 },
    });
  });

  it('keeps fields it does not know and writes them back', async () => {
    const text = '{"model_type":"mobilenet_v2","my_field":{"a":[1]},"__proto__":{"x":1},"image_size":96}';
    const config = await MobileNetV2Config.from_pretrained(folderWith(text));
    const written = JSON.parse(config.to_json_string());
    expect(written.my_field).toEqual({ a: [1] });
    expect(Object.getOwnPropertyNames(written)).toContain('__proto__');
    expect(({} as Record<string, unknown>).x).toBeUndefined();
    expect(written.image_size).toBe(96);
  });

  it('reads label maps and keeps a label that two classes share', () => {
    const config = new MobileNetV2Config({
      id2label: { 0: 'crane', 1: 'crane', 2: 'kite' },
      label2id: { crane: 0, kite: 2 },
    });
    expect(config.num_labels).toBe(3);
    expect(config.label2id).toEqual({ crane: 0, kite: 2 });
    expect(new MobileNetV2Config({ num_labels: 0 }).num_labels).toBe(0);
  });

  // Rows C1 and C2 of the acceptance list: out of range, and of the wrong type.
  it.each([
    ['depth_multiplier', 0],
    ['depth_multiplier', -1],
    ['depth_multiplier', Number.NaN],
    ['depth_multiplier', 1e9],
    ['depth_multiplier', '1.0'],
    ['image_size', 0],
    ['image_size', 1e6],
    ['image_size', [224]],
    ['image_size', { height: 224 }],
    ['output_stride', 7],
    ['output_stride', 64],
    ['output_stride', null],
    ['num_channels', 0],
    ['num_channels', 2.5],
    ['depth_divisible_by', 0],
    ['min_depth', -8],
    ['expand_ratio', 0],
    ['expand_ratio', Number.POSITIVE_INFINITY],
    ['first_layer_is_expansion', 'yes'],
    ['finegrained_output', 1],
    ['hidden_act', 6],
    ['tf_padding', null],
    ['classifier_dropout_prob', 2],
    ['initializer_range', -0.1],
    ['layer_norm_eps', Number.NaN],
    ['semantic_loss_ignore_index', 0.5],
    ['problem_type', 'guess'],
    ['num_labels', -1],
    ['num_labels', 1e12],
    ['id2label', ['cat', 'dog']],
    ['id2label', { 0: ['cat'] }],
    ['label2id', { cat: [5] }],
    ['label2id', ['cat']],
  ])('refuses %s = %j, naming the field', async (field, value) => {
    const error = await refusal(() => new MobileNetV2Config({ [field]: value }, 'x/config.json'));
    expect(error).toMatchObject({ code: 'CONFIG', file: 'x/config.json', tensor: field });
    expect(error.message.startsWith(`${field}: `) && error.message.endsWith(' in x/config.json')).toBe(true);
  });

  it.each([
    ['text', 'hello'],
    ['an array', '[1,2]'],
    ['null', 'null'],
    ['a number', '7'],
    ['nothing', ''],
  ])('refuses %s as config.json', async (_, text) => {
    const error = await refusal(() => MobileNetV2Config.from_pretrained(folderWith(text)));
    expect(error).toMatchObject({ code: 'CONFIG', file: 'some/model/config.json' });
  });

  it('refuses a file of more than 10 MB before reading it as JSON', async () => {
    const text = `{"a":"${'x'.repeat(10 * 1024 * 1024)}"}`;
    const error = await refusal(() => MobileNetV2Config.from_pretrained(folderWith(text)));
    expect(['CONFIG', 'LIMIT']).toContain(error.code);
    expect(error.file).toBe('some/model/config.json');
  });

  // Row C4.
  it.each([
    [{ num_labels: 3, id2label: { 0: 'a', 1: 'b' } }, '2 labels, but num_labels is 3'],
    [{ id2label: { 0: 'a', 2: 'b' } }, 'ids 0 to 1 without gaps'],
    [{ id2label: { 1: 'a', 2: 'b' } }, 'ids 0 to 1 without gaps'],
  ])('names the counts where labels have gaps: %j', async (options, message) => {
    const error = await refusal(() => new MobileNetV2Config(options));
    expect(error.code).toBe('CONFIG');
    expect(error.message).toContain(message);
  });

  it('does not blame the file for what the caller gave', async () => {
    const folder = folderWith('{"model_type":"mobilenet_v2"}');
    const error = await refusal(() => MobileNetV2Config.from_pretrained(folder, { output_stride: 7 }));
    expect(error.message).toBe('output_stride: expected 2, 4, 8, 16 or 32, got 7');
    expect(error.file).toBeUndefined();
  });

  // Row C5.
  it('refuses another model_type', async () => {
    const error = await refusal(() => MobileNetV2Config.from_pretrained(folderWith('{"model_type":"vit"}')));
    expect(error).toMatchObject({ code: 'UNSUPPORTED', file: 'some/model/config.json' });
  });

  it('says where a config was looked for', async () => {
    const empty: Folder = { name: 'empty/folder', read: async () => undefined };
    const error = await refusal(() => MobileNetV2Config.from_pretrained(empty));
    expect(error).toMatchObject({ code: 'NOT_FOUND', file: 'empty/folder/config.json' });
  });

  // What transformers 5 loads, and what it makes of it.
  const read = (fields: object | string) =>
    MobileNetV2Config.from_pretrained(folderWith(typeof fields === 'string' ? fields : JSON.stringify(fields)));

  it('takes labels that are no strings, and a label2id of any kind', async () => {
    const config = await read({ id2label: { 0: 0, 1: 1.5, 2: true, 3: null }, label2id: { 0: 0, 1: 1 } });
    expect(config.id2label).toEqual({ 0: '0', 1: '1.5', 2: 'true', 3: 'LABEL_3' });
    expect(config.label2id).toEqual({ 0: 0, 1: 1 });
    for (const label2id of [{ a: 0, ignore: -100 }, { 0: 'a', 1: 'b' }, { a: 7 }, { a: 0.5, b: null }]) {
      const found = await read({ id2label: { 0: 'a', 1: 'b' }, label2id });
      expect(found.label2id).toEqual(label2id);
      expect(JSON.parse(found.to_json_string()).label2id).toEqual(label2id);
      expect(found.num_labels).toBe(2);
    }
    expect((await read({ label2id: { a: '1' } })).label2id).toEqual({ a: 1 });
    expect((await read({ output_hidden_states: null })).output_hidden_states).toBe(false);
  });

  it('takes what Python writes for numbers that are not finite', async () => {
    const config = await read('{"a": NaN, "b": [Infinity, -Infinity], "classifier_dropout_prob": 0.1}');
    expect(config.extra).toEqual({ a: Number.NaN, b: [Infinity, -Infinity] });
    const written = JSON.parse(config.to_json_string());
    expect(written.a).toEqual({ __float__: 'NaN' });
    expect(written.b).toEqual([{ __float__: 'Infinity' }, { __float__: '-Infinity' }]);
  });

  it.skipIf(withoutShared('cases/19-config-oddities')).each(['extra_nan', 'label_ints', 'neg_label2id'])(
    'case 19: %s',
    async (name) => {
      const config = await read(readFileSync(shared(`cases/19-config-oddities/${name}/config.json`), 'utf8'));
      expect(config).toMatchObject({ num_labels: 5, model_type: 'mobilenet_v2' });
      expect(config.architectures).toEqual(['MobileNetV2ForImageClassification']);
    },
  );

  it.each(['5', '"MobileNetV2Model"', '[5]', '{}'])('architectures: %s is refused, null is none', async (value) => {
    const error = await refusal(() => read(`{"architectures":${value}}`));
    expect(error).toMatchObject({ code: 'CONFIG', tensor: 'architectures', file: 'some/model/config.json' });
    expect((await read('{"architectures":null}')).architectures).toBeNull();
  });

  it('num_labels can be set, as in transformers', () => {
    const config = new MobileNetV2Config({ id2label: { 0: 'a', 1: 'b' } });
    config.num_labels = 2;
    expect(config.id2label).toEqual({ 0: 'a', 1: 'b' });
    config.num_labels = 3;
    expect(config.id2label).toEqual({ 0: 'LABEL_0', 1: 'LABEL_1', 2: 'LABEL_2' });
    expect(config.label2id).toEqual({ LABEL_0: 0, LABEL_1: 1, LABEL_2: 2 });
    expect(() => {
      config.num_labels = -1;
    }).toThrow('num_labels: expected 0 to 100000, got -1');
  });

  it('labels that are given replace those of the file', async () => {
    const file = folderWith('{"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1}, "num_labels": 2}');
    const load = (options: MobileNetV2ConfigOptions) => MobileNetV2Config.from_pretrained(file, options);
    expect((await load({ num_labels: 2 })).id2label).toEqual({ 0: 'a', 1: 'b' });
    const three = await load({ num_labels: 3 });
    expect([three.id2label[2], three.label2id.LABEL_2, three.num_labels]).toEqual(['LABEL_2', 2, 3]);
    const named = await load({ id2label: { 0: 'x', 1: 'y', 2: 'z' } });
    expect([named.num_labels, named.label2id]).toEqual([3, { x: 0, y: 1, z: 2 }]);
    expect((await load({ num_labels: 2, label2id: { q: 1 } })).label2id).toEqual({ q: 1 });
  });

  it('from_dict takes any field, the constructor and options none that looks mistyped', async () => {
    const config = MobileNetV2Config.from_dict({ num_layers: 3, depth_multiplier: 0.5 }, { output_stride: 8 });
    expect([config.extra.num_layers, config.depth_multiplier, config.output_stride]).toEqual([3, 0.5, 8]);
    expect(MobileNetV2Config.from_dict({ num_layers: 3 }, { num_layers: 4 } as object).extra.num_layers).toBe(4);
    const mistyped = { num_lables: 3 } as MobileNetV2ConfigOptions;
    const message = expect.stringContaining('did you mean num_labels?');
    expect(await refusal(() => new MobileNetV2Config(mistyped))).toMatchObject({ code: 'ARG', message });
    expect(await refusal(() => MobileNetV2Config.from_dict({}, mistyped))).toMatchObject({ code: 'ARG', message });
    expect(await refusal(() => MobileNetV2Config.from_pretrained(folderWith('{}'), mistyped))).toMatchObject({
      message,
    });
    expect(await refusal(() => MobileNetV2Config.from_dict('{}' as never))).toMatchObject({ code: 'CONFIG' });
    const habits = { trust_remote_code: true, revision: 'main', return_unused_kwargs: false } as object;
    expect((await MobileNetV2Config.from_pretrained(folderWith('{}'), habits)).extra).toEqual({});
  });
});
