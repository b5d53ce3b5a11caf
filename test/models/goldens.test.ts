/**
 * Every configuration against transformers: outputs in full, hidden states and losses. Weights, inputs and labels follow
 * a formula (goldens/models/README.md), so that only expected values are stored; make.py beside them is the recipe.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ConvNode } from '../../src/graph/nodes.js';
import { MobileNetV2Model } from '../../src/models/mobilenet-v2/base-model.js';
import { MobileNetV2Config, type MobileNetV2ConfigOptions } from '../../src/models/mobilenet-v2/config.js';
import { MobileNetV2ForImageClassification } from '../../src/models/mobilenet-v2/image-classification.js';
import { MobileNetV2ForSemanticSegmentation } from '../../src/models/mobilenet-v2/semantic-segmentation.js';
import { Tensor } from '../../src/tensor/tensor.js';
import { expectValuesClose } from '../helpers/close.js';
import { type FormulaLabels, formulaLabels, formulaTensor } from '../helpers/formula.js';
import { readGoldens } from '../helpers/goldens.js';

const folder = new URL('../goldens/models/', import.meta.url);
const readJson = (name: string) => JSON.parse(readFileSync(new URL(name, folder), 'utf8'));

const CLASSES = { MobileNetV2Model, MobileNetV2ForImageClassification, MobileNetV2ForSemanticSegmentation };

interface Case {
  name: string;
  class: keyof typeof CLASSES;
  config: MobileNetV2ConfigOptions;
  pixel_values: number[];
  add_pooling_layer?: boolean;
  labels: FormulaLabels | null;
  loss: number | null;
}

function labelTensor(labels: FormulaLabels): Tensor {
  const { data, dims } = formulaLabels(labels);
  const type = labels.kind === 'classes' || labels.kind === 'segments' ? 'int64' : 'float32';
  return new Tensor(type, data as never, [...dims]);
}

const cases: Case[] = readJson('cases.json').cases;

describe.each(['wasm', 'js', 'reference'] as const)('%s equals transformers', (device) => {
  it.each(cases.map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const { add_pooling_layer = true } = one;
    const model = new CLASSES[one.class](new MobileNetV2Config(one.config), { device, add_pooling_layer });
    const state = new Map<string, Tensor>();
    for (const [name, tensor] of model.state_dict()) {
      const formula = tensor.type === 'float32';
      state.set(name, formula ? new Tensor('float32', formulaTensor(name, tensor.dims), tensor.dims) : tensor);
    }
    model.load_state_dict(state);

    const output: Record<string, unknown> = (await (model as MobileNetV2Model)({
      pixel_values: new Tensor('float32', formulaTensor('pixel_values', one.pixel_values), one.pixel_values),
      output_hidden_states: true,
      ...(one.labels && { labels: labelTensor(one.labels) }),
    })) as never;

    for (const [name, golden] of readGoldens(new URL(`outputs/${one.name}.safetensors`, folder))) {
      const [key, index] = name.split('.');
      const actual = (index === undefined ? output[key] : (output[key] as Tensor[])[Number(index)]) as Tensor;
      const expected = golden.data as Float32Array;
      expect(actual.dims, name).toEqual(golden.dims);
      expectValuesClose(actual.data as Float32Array, expected, name);
    }
    if (one.loss === null) expect(output.loss).toBeUndefined();
    else
      expect(Math.abs((output.loss as number) - one.loss)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(one.loss)));
  });
});

interface Architecture {
  class: keyof typeof CLASSES;
  config: MobileNetV2ConfigOptions;
  /** name, in, out, kernel, stride, dilation, groups, padding, has a bias, epsilon (null: no norm), activation */
  convolutions: [
    string,
    number,
    number,
    number,
    number,
    number,
    number,
    unknown,
    boolean,
    number | null,
    string | null,
  ][];
  residual: boolean[];
  parameters: number;
  /** By module, then by tensor; `normalization: [C]` stands for the five tensors of a batch norm. */
  state_dict: Record<string, Record<string, number[]>>;
}

function* stateNames(architecture: Architecture): Generator<[string, number[]]> {
  for (const [module, tensors] of Object.entries(architecture.state_dict)) {
    for (const [name, dims] of Object.entries(tensors)) {
      if (name !== 'normalization') yield [`${module}.${name}`, dims];
      else {
        for (const part of ['weight', 'bias', 'running_mean', 'running_var']) yield [`${module}.${name}.${part}`, dims];
        yield [`${module}.${name}.num_batches_tracked`, []];
      }
    }
  }
}

describe('the graph is the architecture that transformers builds', () => {
  const architectures: Architecture[] = readJson('configs.json').configs;

  it.each(architectures.map((one, i) => [i, one] as const))('configuration %i', (_, one) => {
    const model = new CLASSES[one.class](new MobileNetV2Config(one.config));
    const convolutions = model.graph.nodes.filter((node): node is ConvNode => node.op === 'convolution');
    expect(
      convolutions.map((node) => [
        node.weight.replace(/\.convolution\.weight$/, ''),
        node.inChannels,
        node.outChannels,
        node.kernel,
        node.stride,
        node.dilation,
        node.groups,
        node.bias !== null,
        node.norm?.epsilon ?? null,
        node.activation === 'linear' ? null : node.activation,
      ]),
    ).toEqual(one.convolutions.map(([a, b, c, d, e, f, g, , h, i, j]) => [a, b, c, d, e, f, g, h, i, j]));
    expect(convolutions.every(({ padding }) => padding === (one.config.tf_padding ? 'same' : 'symmetric'))).toBe(true);

    const added = new Set(model.graph.nodes.filter(({ op }) => op === 'add').map(({ name }) => name));
    expect(Array.from({ length: 16 }, (_, i) => added.has(`layer.${i}.add`))).toEqual(one.residual);

    const state = [...model.state_dict()].map(([name, { dims }]) => [name, [...dims]]);
    expect(state).toEqual([...stateNames(one)]);
    const parameters = [...model.state_dict()].filter(([name]) => !/running_|num_batches/.test(name));
    expect(parameters.reduce((sum, [, { size }]) => sum + size, 0)).toBe(one.parameters);
  });
});
