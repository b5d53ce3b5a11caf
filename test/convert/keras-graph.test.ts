/** What a Keras graph may say around a MobileNetV2, and what is refused by name. Graphs here have no weights. */
import { describe, expect, it } from 'vitest';
import { type JsonObject, parseJson } from '../../src/base/json.js';
import { readGraph } from '../../src/convert/keras-graph.js';

type Layer = [kind: string, name: string, config?: object, inbound?: unknown];

/** By the package's own parser, whose objects have no prototype. */
const graphOf = (...layers: Layer[]): JsonObject =>
  parseJson(
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
    { file: 'config.json', code: 'CONFIG' },
  ) as JsonObject;

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
  it('but not after the network, nor by nothing', () => {
    expect(problemsOf(CONV, ['Rescaling', 'late', { scale: 2 }])).toEqual(['late']);
    expect(problemsOf(['Rescaling', 'zero', { scale: 0 }])).toEqual(['zero']);
    expect(problemsOf(['Normalization', 'learnt', { mean: null, variance: null }])).toEqual(['learnt']);
  });
});

describe('operations that change no number', () => {
  const casts: [string, Layer][] = [
    ['tf.cast', ['TFOpLambda', 'tf.cast', { function: 'cast' }, [['input', 0, 0, { dtype: 'float32' }]]]],
    [
      'tf.cast to bytes, which pictures are',
      ['TFOpLambda', 'c', { function: 'cast' }, [['input', 0, 0, { dtype: 'uint8' }]]],
    ],
    ['Cast of Keras 3', ['Cast', 'c', { dtype: 'float32' }, [{ args: [{}], kwargs: {} }]]],
    [
      'a cast of TensorFlow 2.3',
      ['TensorFlowOpLayer', 'c', { node_def: { op: 'Cast', attr: { DstT: { type: 'DT_FLOAT' } } }, constants: {} }],
    ],
    ['tf.identity', ['TFOpLambda', 'i', { function: 'identity' }, [['input', 0, 0, {}]]]],
    [
      'convert_image_dtype of floats',
      ['TFOpLambda', 'i', { function: 'image.convert_image_dtype' }, [['input', 0, 0, { dtype: 'float32' }]]],
    ],
    ['Identity', ['Identity', 'i']],
    ['Equalization, in training alone', ['Equalization', 'e']],
    ['a linear activation', ['Activation', 'a', { activation: 'linear' }]],
  ];
  it.each(casts)('%s', (_, layer) => expect(problemsOf(layer, CONV)).toEqual([]));

  it('others are refused', () => {
    const rescaled: Layer = ['Rescaling', 'r', { scale: 1 / 255 }];
    expect(problemsOf(rescaled, casts[1][1])).toEqual(['c']);
    expect(problemsOf(['AutoContrast', 'works at inference too'])).toEqual(['works at inference too']);
    expect(problemsOf(['RandomCropAndResize', 'of KerasCV'])).toEqual(['of KerasCV']);
  });

  it('TensorFlow 2.3, reversed operations, numbers for each channel', () => {
    const scalingOf = (...layers: Layer[]) => readGraph(graphOf(INPUT, ...layers, CONV)).scaling;
    const old = (op: string, n: number): Layer => ['TensorFlowOpLayer', op, { node_def: { op }, constants: { 1: n } }];
    expect(scalingOf(old('RealDiv', 4), old('Sub', 1))).toEqual({ scale: [0.25, 0.25, 0.25], offset: [-1, -1, -1] });
    expect(scalingOf(['Subtract', 's', {}, [{ args: [1, {}], kwargs: {} }]])).toEqual({
      scale: [-1, -1, -1],
      offset: [1, 1, 1],
    });
    expect(problemsOf(['TrueDivide', 's', {}, [{ args: [1, {}], kwargs: {} }]])).toEqual(['s']);
    const first: Layer = [
      'TFOpLambda',
      'm',
      { function: 'math.multiply' },
      [['_CONSTANT_VALUE', -1, 2, { y: ['input', 0, 0] }]],
    ];
    expect(scalingOf(first)).toEqual({ scale: [2, 2, 2], offset: [0, 0, 0] });
    const means: Layer = ['TFOpLambda', 'm', { function: 'math.subtract' }, [['input', 0, 0, { y: [1, 2, 3] }]]];
    expect(scalingOf(means)).toEqual({ scale: [1, 1, 1], offset: [-1, -2, -3] });
    const bytes: Layer = ['InputLayer', 'input', { batch_input_shape: [null, 96, 96, 3], dtype: 'uint8' }];
    const convert: Layer = [
      'TFOpLambda',
      'i',
      { function: 'image.convert_image_dtype' },
      [['input', 0, 0, { dtype: 'float32' }]],
    ];
    expect(readGraph(graphOf(bytes, convert)).scaling).toEqual({
      scale: [1, 1, 1].map(() => 1 / 255),
      offset: [0, 0, 0],
    });
  });
});

describe('sizes of pictures', () => {
  const picturesOf = (layers: Layer[], version = '2.15.0') => {
    const graph = readGraph(graphOf(...layers, CONV), true, version);
    expect(graph.problems).toEqual([]);
    const { resize, crop, resample } = graph.pictures;
    return { resize, crop, resample };
  };
  const input = (height: number | null, width: number | null): Layer => [
    'InputLayer',
    'input',
    { batch_shape: [null, height, width, 3] },
  ];
  const layer = (kind: string, height: number, width: number, more = {}): Layer => [
    kind,
    kind,
    { height, width, ...more },
  ];

  it.each([
    ['of the input', [input(96, 128)], { resize: [96, 128], crop: undefined, resample: 2 }],
    [
      'of a model in a model',
      [input(128, 128), layer('RandomCrop', 96, 96), input(96, 96)],
      { resize: [96, 96], crop: undefined },
    ],
    [
      'RandomCrop of another shape',
      [input(128, 160), layer('RandomCrop', 96, 96)],
      { resize: [96, 120], crop: [96, 96] },
    ],
    [
      'RandomCrop of any size',
      [input(null, null), layer('RandomCrop', 96, 96)],
      { resize: { shortest_edge: 96 }, crop: [96, 96] },
    ],
    ['CenterCrop', [input(128, 128), layer('CenterCrop', 96, 64)], { resize: [128, 128], crop: [96, 64] }],
    [
      'CenterCrop of what is smaller',
      [input(64, 80), layer('CenterCrop', 96, 96)],
      { resize: [96, 120], crop: [96, 96] },
    ],
    [
      'Resizing, then CenterCrop',
      [input(null, null), layer('Resizing', 256, 256), layer('CenterCrop', 224, 224)],
      { resize: [256, 256], crop: [224, 224] },
    ],
    [
      'Resizing, then CenterCrop, then a model in a model',
      [input(null, null), layer('Resizing', 256, 256), layer('CenterCrop', 224, 224), input(224, 224)],
      { resize: [256, 256], crop: [224, 224] },
    ],
    [
      'Resizing with crop_to_aspect_ratio',
      [input(null, null), layer('Resizing', 96, 96, { crop_to_aspect_ratio: true })],
      { resize: { shortest_edge: 96 }, crop: [96, 96] },
    ],
    [
      'Resizing by another filter',
      [input(null, null), layer('Resizing', 96, 96, { interpolation: 'bicubic' })],
      { resize: [96, 96], resample: 3 },
    ],
    [
      'tf.image.resize',
      [
        input(null, null),
        ['TFOpLambda', 'r', { function: 'image.resize' }, [['input', 0, 0, { size: [96, 80], method: 'nearest' }]]],
      ],
      { resize: [96, 80], resample: 0 },
    ],
  ] as [string, Layer[], object][])('%s', (_, layers, expected) => expect(picturesOf(layers)).toMatchObject(expected));

  it('RandomCrop leaves pictures alone at inference since Keras 3.6', () => {
    const layers = [input(128, 128), layer('RandomCrop', 96, 96)];
    expect(picturesOf(layers, '3.5.0')).toMatchObject({ resize: [96, 96] });
    expect(picturesOf(layers, '3.6.0')).toMatchObject({ resize: [128, 128] });
    expect(picturesOf(layers, '3.15.1')).toMatchObject({ resize: [128, 128] });
  });

  it.each([
    ['a crop of pictures of any size', [input(null, null), layer('CenterCrop', 96, 96)]],
    ['a crop to an oblong of pictures of any size', [input(null, null), layer('RandomCrop', 96, 80)]],
    ['two crops', [input(128, 128), layer('CenterCrop', 96, 96), layer('CenterCrop', 64, 64)]],
    ['padding', [layer('Resizing', 96, 96, { pad_to_aspect_ratio: true })]],
    ['an unknown filter', [layer('Resizing', 96, 96, { interpolation: 'gaussian' })]],
    ['sizes after the network', [CONV, layer('Resizing', 96, 96)]],
    [
      'tf.image.resize that keeps the ratio',
      [
        [
          'TFOpLambda',
          'r',
          { function: 'image.resize' },
          [['input', 0, 0, { size: [96, 80], preserve_aspect_ratio: true }]],
        ],
      ],
    ],
  ] as [string, Layer[]][])('%s is refused', (_, layers) =>
    expect(readGraph(graphOf(...layers)).problems.length).toBe(1),
  );
});

it.each([
  [{}, 'relu'],
  [{ max_value: null }, 'relu'],
  [{ max_value: 6 }, 'relu6'],
])('a ReLU of %j is %s', (config, expected) => {
  const graph = readGraph(graphOf(INPUT, CONV, ['ReLU', 'Conv1_relu', config]));
  expect(graph.problems).toEqual([]);
  expect(graph.hidden_act).toBe(expected);
});

it.each([
  ['InputLayer', {}],
  ['BatchNormalization', { epsilon: {} }],
  ['ReLU', { max_value: {}, negative_slope: [{}], threshold: {} }],
  ['Activation', { activation: { class_name: {}, config: { name: {} } } }],
  ['Rescaling', { scale: [{}], offset: {} }],
  ['Normalization', { mean: {}, variance: [[{}]] }],
  ['Resizing', { height: {}, width: [{}], interpolation: {} }],
  ['Dropout', { rate: {} }],
  ['Dense', { activation: {} }],
  ['TFOpLambda', { function: {} }],
  ['TensorFlowOpLayer', { node_def: { op: {}, attr: { DstT: { type: {} } } }, constants: { 0: {} } }],
] as const)('%s with objects where texts and numbers belong', (kind, config) => {
  for (const name of ['x', {} as string, [{}] as unknown as string])
    expect(readGraph(graphOf(INPUT, [kind, name, config], [{} as string, 'y']))).toHaveProperty('problems');
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

  it('may have a batch norm between pooling and classifier, and nowhere else', () => {
    const norm = (name: string): Layer => ['BatchNormalization', name, { epsilon: 0.01 }];
    const graph = readGraph(graphOf(INPUT, CONV, POOL, norm('n'), ['Dropout', 'd', { rate: 0.1 }], dense('softmax')));
    expect(graph).toMatchObject({ norm: { layer: 'n', epsilon: 0.01 }, problems: [] });
    expect(problemsOf(norm('first'), CONV, POOL, dense('softmax'))).toEqual(['first']);
    expect(problemsOf(CONV, POOL, dense('softmax'), norm('last'))).toEqual(['last']);
    expect(problemsOf(CONV, POOL, norm('a'), norm('b'), dense('softmax'))).toEqual(['b']);
    expect(problemsOf(CONV, POOL, norm('alone'))).toEqual(['alone']);
    expect(problemsOf(CONV, POOL, norm('n'), ['ReLU', 'relu'], dense('softmax'))).toEqual(['relu']);
    // What is pooled lies between 0 and 6.
    expect(
      problemsOf(CONV, POOL, ['ReLU', 'relu'], ['Activation', 'a', { activation: 'relu6' }], dense('softmax')),
    ).toEqual([]);
  });

  it('is left out on demand', () => {
    const norm: Layer = ['BatchNormalization', 'Conv_1_bn', { epsilon: 0.001 }];
    const relu: Layer = ['ReLU', 'out_relu', { max_value: 6 }];
    const graph = readGraph(
      graphOf(INPUT, norm, relu, ['Flatten', 'flat'], dense('relu', 'a'), dense('softmax', 'b')),
      false,
    );
    expect(graph).toMatchObject({
      afterBackbone: ['flat', 'a', 'b'],
      classifier: undefined,
      hidden_act: 'relu6',
      problems: [],
    });
  });
});

describe('the backbone', () => {
  it('gives size, epsilon and activation', () => {
    const graph = readGraph(
      graphOf(INPUT, ['BatchNormalization', 'bn_Conv1', { epsilon: 1e-5 }], ['ReLU', 'r', { max_value: null }]),
    );
    expect(graph).toMatchObject({ epsilon: 1e-5, hidden_act: 'relu' });
    expect(graph.pictures.size).toEqual([96, 128]);
  });

  it('pads as TensorFlow does, at this size', () => {
    const pad = (name: string, padding: number[][]): Layer => ['ZeroPadding2D', name, { padding }];
    const after = [
      [0, 1],
      [0, 1],
    ];
    expect(problemsOf(pad('Conv1_pad', after), pad('block_13_pad', after))).toEqual([]);
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
    expect(problemsOf(pad('elsewhere', after))).toEqual(['elsewhere']);
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
    const norm = (epsilon: number, name: string): Layer => ['BatchNormalization', name, { epsilon }];
    expect(problemsOf(norm(0.001, 'bn_Conv1'), norm(0.1, 'block_1_expand_BN'))).toEqual(['BatchNormalization']);
    expect(problemsOf(['ReLU', 'a', { max_value: 6 }], ['ReLU', 'b', { max_value: 4 }])).toEqual(['ReLU']);
  });

  it('survives graphs that are none', () => {
    for (const config of [null, 7, 'x', {}, { layers: 7 }, { layers: [7, null, {}] }, { layers: [{ config: {} }] }]) {
      readGraph({ class_name: 'Model', config } as unknown as JsonObject);
    }
  });
});
