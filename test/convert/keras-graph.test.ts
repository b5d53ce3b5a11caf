/** What a Keras graph may say around a MobileNetV2, and what is refused by name. Graphs here have no weights. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/base/json.js';
import { readGraph } from '../../src/models/convert/keras-graph.js';

type Layer = [kind: string, name: string, config?: object, inbound?: unknown];

const graphOf = (...layers: Layer[]): JsonObject =>
  JSON.parse(
    JSON.stringify({
      class_name: 'Functional',
      config: {
        layers: layers.map(([class_name, name, config = {}, inbound_nodes = []]) => ({
          class_name,
          name,
          config,
          inbound_nodes,
        })),
      },
    }),
  );

const INPUT: Layer = ['InputLayer', 'input', { batch_shape: [null, 96, 128, 3] }];
const CONV: Layer = ['Conv2D', 'Conv1', { strides: [2, 2], activation: 'linear' }];
const POOL: Layer = ['GlobalAveragePooling2D', 'pool'];
const dense = (activation: unknown, name = 'dense'): Layer => ['Dense', name, { activation }];
const problemsOf = (...layers: Layer[]) => readGraph(graphOf(INPUT, ...layers)).problems.map(({ layer }) => layer);

describe('pixels', () => {
  const scalingOf = (...layers: Layer[]) => readGraph(graphOf(INPUT, ...layers, CONV)).scaling;
  const same = (one: number) => [one, one, one];

  it('are scaled by nobody', () => expect(scalingOf()).toBeUndefined());
  it('by Rescaling', () =>
    expect(scalingOf(['Rescaling', 'r', { scale: 1 / 255, offset: 0 }])).toEqual({
      scale: same(1 / 255),
      offset: same(0),
    }));
  it('by Rescaling for each channel', () =>
    expect(scalingOf(['Rescaling', 'r', { scale: [1, 2, 3], offset: [[[4, 5, 6]]] }])).toEqual({
      scale: [1, 2, 3],
      offset: [4, 5, 6],
    }));
  it('by operations of Keras 3', () =>
    expect(
      scalingOf(
        ['TrueDivide', 'd', {}, [{ args: [{}, 2], kwargs: {} }]],
        ['Subtract', 's', {}, [{ args: [{}, 1], kwargs: {} }]],
      ),
    ).toEqual({ scale: same(0.5), offset: same(-1) }));
  it('by operations of Keras 2', () =>
    expect(
      scalingOf(
        ['TFOpLambda', 'd', { function: 'math.truediv' }, [['input', 0, 0, { y: 4, name: null }]]],
        ['TFOpLambda', 's', { function: 'math.subtract' }, [['d', 0, 0, { y: 1, name: null }]]],
      ),
    ).toEqual({ scale: same(0.25), offset: same(-1) }));
  it('by Rescaling and then Normalization', () =>
    expect(
      scalingOf(['Rescaling', 'r', { scale: 0.5, offset: 0 }], ['Normalization', 'n', { mean: 3, variance: 4 }]),
    ).toEqual({ scale: same(0.25), offset: same(-1.5) }));
  it('but not behind the network, nor by nothing', () => {
    expect(problemsOf(CONV, ['Rescaling', 'late', { scale: 2 }])).toEqual(['late']);
    expect(problemsOf(['Rescaling', 'zero', { scale: 0 }])).toEqual(['zero']);
    expect(problemsOf(['Normalization', 'learnt', { mean: null, variance: null }])).toEqual(['learnt']);
  });
});

describe('the head', () => {
  it.each([
    ['softmax', 'softmax'],
    ['linear', 'linear'],
    ['sigmoid', 'sigmoid'],
    [{ class_name: 'function', config: { name: 'softmax' } }, 'softmax'],
    [undefined, 'linear'],
  ])('%o', (activation, expected) => {
    const graph = readGraph(graphOf(INPUT, CONV, POOL, ['Dropout', 'drop', { rate: 0.3 }], dense(activation)));
    expect(graph).toMatchObject({ activation: expected, classifier: 'dense', dropout: 0.3, problems: [] });
  });

  it('with its activation as a layer', () => {
    const graph = readGraph(graphOf(INPUT, POOL, dense('linear'), ['Activation', 'a', { activation: 'softmax' }]));
    expect(graph).toMatchObject({ activation: 'softmax', problems: [] });
  });

  it('is refused by the names of its layers', () => {
    expect(problemsOf(POOL, dense('relu', 'hidden'), dense('softmax'))).toEqual(['hidden', 'hidden']);
    expect(problemsOf(dense('softmax'))).toEqual(['dense']);
    expect(problemsOf(['GlobalMaxPooling2D', 'max'], dense('softmax'))).toEqual(['max', 'dense']);
    expect(problemsOf(['Flatten', 'flat'])).toEqual(['flat']);
    expect(problemsOf(['Lambda', 'code'])).toEqual(['code']);
  });

  it('is left out on demand', () => {
    const norm: Layer = ['BatchNormalization', 'Conv_1_bn', { epsilon: 0.001 }];
    const relu: Layer = ['ReLU', 'out_relu', { max_value: 6 }];
    const graph = readGraph(
      graphOf(INPUT, norm, relu, ['Flatten', 'flat'], dense('relu', 'a'), dense('softmax', 'b')),
      false,
    );
    expect(graph).toMatchObject({
      behind: ['flat', 'a', 'b'],
      classifier: undefined,
      hidden_act: 'relu6',
      problems: [],
    });
  });
});

describe('the backbone', () => {
  it('gives size, epsilon and activation', () => {
    const graph = readGraph(
      graphOf(INPUT, ['BatchNormalization', 'n', { epsilon: 1e-5 }], ['ReLU', 'r', { max_value: null }]),
    );
    expect(graph).toMatchObject({ size: [96, 128], epsilon: 1e-5, hidden_act: 'relu' });
  });

  it('pads as TensorFlow does, at this size', () => {
    const pad = (name: string, padding: number[][]): Layer => ['ZeroPadding2D', name, { padding }];
    const behind = [
      [0, 1],
      [0, 1],
    ];
    expect(problemsOf(pad('Conv1_pad', behind), pad('block_13_pad', behind))).toEqual([]);
    expect(
      problemsOf(
        pad('Conv1_pad', [
          [1, 1],
          [1, 1],
        ]),
      ),
    ).toEqual(['Conv1_pad']);
    const odd: Layer = ['InputLayer', 'input', { batch_input_shape: [null, 97, 97, 3] }];
    expect(
      readGraph(
        graphOf(
          odd,
          pad('Conv1_pad', [
            [1, 1],
            [1, 1],
          ]),
        ),
      ).problems,
    ).toEqual([]);
    expect(problemsOf(pad('elsewhere', behind))).toEqual(['elsewhere']);
  });

  it.each([
    ['another stride', ['Conv2D', 'Conv1', { strides: [1, 1] }]],
    ['a dilation', ['DepthwiseConv2D', 'block_3_depthwise', { strides: [2, 2], dilation_rate: [2, 2] }]],
    ['an activation inside', ['Conv2D', 'Conv1', { strides: [2, 2], activation: 'relu' }]],
    ['channels first', ['Conv2D', 'Conv1', { strides: [2, 2], data_format: 'channels_first' }]],
    ['a leaky ReLU', ['ReLU', 'Conv1', { max_value: 6, negative_slope: 0.1 }]],
    ['swish', ['Activation', 'Conv1', { activation: 'swish' }]],
  ] as [string, Layer][])('is refused with %s', (_, layer) =>
    expect(problemsOf(layer)).toEqual(['Conv1'].map(() => layer[1])),
  );

  it('is refused where batch norms or ReLUs differ', () => {
    const norm = (epsilon: number): Layer => ['BatchNormalization', `n${epsilon}`, { epsilon }];
    expect(problemsOf(norm(0.001), norm(0.1))).toEqual(['BatchNormalization']);
    expect(problemsOf(['ReLU', 'a', { max_value: 6 }], ['ReLU', 'b', { max_value: 4 }])).toEqual(['ReLU']);
  });

  it('survives graphs that are none', () => {
    for (const config of [null, 7, 'x', {}, { layers: 7 }, { layers: [7, null, {}] }, { layers: [{ config: {} }] }]) {
      readGraph({ class_name: 'Model', config } as unknown as JsonObject);
    }
  });
});
