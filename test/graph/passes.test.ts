/** Each pass alone, on graphs of a few nodes; and that all of them together compute what the network as drawn does. */
import { describe, expect, it } from 'vitest';
import { type ConvNode, type Graph, INPUT, type Node, prune } from '../../src/graph/nodes.js';
import { foldBatchNorm } from '../../src/graph/passes/fold-batch-norm.js';
import { fuseClamp } from '../../src/graph/passes/fuse-clamp.js';
import { fuseResidual } from '../../src/graph/passes/fuse-residual.js';
import { applyPasses, DRAWN, FUSED } from '../../src/graph/passes/passes.js';
import { poolToBias } from '../../src/graph/passes/pool-to-bias.js';
import { separate } from '../../src/graph/passes/separate.js';
import type { Quantization } from '../../src/graph/quantization.js';
import { segmentationGraph } from '../../src/models/mobilenet-v2/architecture.js';
import { MobileNetV2Config } from '../../src/models/mobilenet-v2/config.js';

const conv = (name: string, input: string, more: Partial<ConvNode> = {}): ConvNode => ({
  ...{ op: 'convolution', name, input, inChannels: 4, outChannels: 4, kernel: 1, stride: 1, dilation: 1, groups: 1 },
  ...{ padding: 'same', weight: `${name}.weight`, bias: null, norm: null, activation: 'linear' },
  ...more,
});
const norm = (name: string, input: string): Node => ({
  ...{ op: 'batch_norm', name, input, channels: 4, prefix: `${name}.bn`, epsilon: 0.001 },
});
const activation = (name: string, input: string, f = 'relu6'): Node => ({ op: 'activation', name, input, function: f });
const add = (name: string, input: string, other: string): Node => ({ op: 'add', name, input, other });

/** A graph whose outputs are the named nodes. */
const graph = (nodes: Node[], ...outputs: string[]): Graph => ({
  inChannels: 4,
  nodes,
  outputs: new Map((outputs.length > 0 ? outputs : [nodes.at(-1)!.name]).map((name) => [name, name])),
});
const names = ({ nodes }: Graph) => nodes.map(({ name }) => name);

describe('separate', () => {
  it('makes a node of each operation of a layer, and the last has the name of the layer', () => {
    const layer = conv('a', INPUT, { norm: { prefix: 'a.bn', epsilon: 0.5 }, activation: 'relu6' });
    const { nodes } = separate(graph([layer]));
    expect(nodes.map(({ op, name, label, input }) => [op, name, label, input])).toEqual([
      ['convolution', 'a.convolution', undefined, INPUT],
      ['batch_norm', 'a.normalization', undefined, 'a.convolution'],
      ['activation', 'a', 'a.activation', 'a.normalization'],
    ]);
    expect(nodes[0]).toMatchObject({ norm: null, activation: 'linear', weight: 'a.weight' });
    expect(nodes[1]).toMatchObject({ prefix: 'a.bn', epsilon: 0.5, channels: 4 });
  });

  it('leaves what is one operation alone', () => {
    const plain = graph([conv('a', INPUT), add('sum', 'a', INPUT)]);
    expect(names(separate(plain))).toEqual(['a', 'sum']);
  });
});

describe('foldBatchNorm', () => {
  it('a norm that alone reads a convolution becomes a part of it', () => {
    const { nodes } = foldBatchNorm(graph([conv('a.convolution', INPUT), norm('a', 'a.convolution')]));
    expect(nodes).toEqual([
      conv('a', INPUT, { weight: 'a.convolution.weight', norm: { prefix: 'a.bn', epsilon: 0.001 } }),
    ]);
  });

  it.each<[string, Graph]>([
    ['another reads the convolution', graph([conv('a', INPUT), norm('b', 'a'), add('sum', 'a', 'b')])],
    ['the convolution is an output', graph([conv('a', INPUT), norm('b', 'a')], 'a', 'b')],
    ['an activation lies between', graph([conv('a', INPUT), activation('b', 'a'), norm('c', 'b')])],
    ['there is no convolution', graph([norm('a', INPUT)])],
  ])('not where %s', (_, given) => expect(foldBatchNorm(given)).toEqual(given));
});

describe('fuseClamp', () => {
  it.each(['relu', 'relu6'])('%s becomes a bound of the convolution', (f) => {
    const { nodes } = fuseClamp(graph([conv('a.convolution', INPUT), activation('a', 'a.convolution', f)]));
    expect(nodes).toEqual([conv('a', INPUT, { weight: 'a.convolution.weight', activation: f })]);
  });

  it.each<[string, Graph]>([
    ['the activation is no clamp', graph([conv('a', INPUT), activation('b', 'a', 'hardswish')])],
    ['another reads the convolution', graph([conv('a', INPUT), activation('b', 'a'), add('sum', 'a', 'b')])],
    ['the convolution is an output', graph([conv('a', INPUT), activation('b', 'a')], 'a', 'b')],
  ])('not where %s', (_, given) => expect(fuseClamp(given)).toEqual(given));
});

describe('fuseResidual', () => {
  it.each([
    ['first', add('sum', 'b', 'a')],
    ['second', add('sum', 'a', 'b')],
  ])('the convolution that made the %s half takes the addition', (_, sum) => {
    const { nodes } = fuseResidual(graph([conv('a', INPUT, { activation: 'relu6' }), conv('b', 'a'), sum]));
    expect(nodes.map(({ name }) => name)).toEqual(['a', 'sum']);
    expect(nodes[1]).toMatchObject({ op: 'convolution', label: 'b + sum', residual: 'a', weight: 'b.weight' });
  });

  it.each<[string, Graph]>([
    ['it has an activation', graph([conv('b', INPUT, { activation: 'relu6' }), add('sum', 'b', INPUT)])],
    ['it is 3×3', graph([conv('b', INPUT, { kernel: 3, groups: 4 }), add('sum', 'b', INPUT)])],
    ['its half is an output', graph([conv('b', INPUT), add('sum', 'b', INPUT)], 'b', 'sum')],
    ['both halves are its value', graph([conv('b', INPUT), add('sum', 'b', 'b')])],
    ['the other half comes later', graph([conv('b', INPUT), activation('c', INPUT), add('sum', 'b', 'c')])],
  ])('not where %s', (_, given) => expect(fuseResidual(given)).toEqual(given));

  it('only one of two convolutions takes it, the later', () => {
    const { nodes } = fuseResidual(graph([conv('a', INPUT), conv('b', INPUT), add('sum', 'a', 'b')]));
    expect(nodes.map(({ name }) => name)).toEqual(['a', 'sum']);
  });
});

describe('poolToBias', () => {
  const head = (more: Partial<ConvNode> = {}): Node[] => [
    conv('features', INPUT),
    { op: 'average_pool', name: 'pool', input: 'features', window: 'global' },
    conv('pooled', 'pool', { outChannels: 3 }),
    { op: 'resize', name: 'spread', input: 'pooled', like: 'features', alignCorners: true },
    { op: 'concat', name: 'both', input: 'spread', other: 'features' },
    conv('projection', 'both', { inChannels: 7, activation: 'relu', ...more }),
  ];

  it('the pooled half becomes a bias, and resize and concatenation go', () => {
    const result = poolToBias(graph(head()));
    expect(names(result)).toEqual(['features', 'pool', 'pooled', 'projection (pooled branch)', 'projection']);
    const [half, rest] = result.nodes.slice(-2);
    expect(half).toMatchObject({ input: 'pooled', inChannels: 3, firstInChannel: 0, activation: 'linear' });
    expect(rest).toMatchObject({ input: 'features', inChannels: 4, firstInChannel: 3, activation: 'relu' });
    expect(rest).toMatchObject({ biasFrom: 'projection (pooled branch)', weight: 'projection.weight' });
  });

  /** The head in whole numbers, whose resized branch gets the scale of the concatenation. */
  const whole = (spread: Partial<Quantization> = {}): Graph => {
    const nodes = head().toSpliced(4, 1, { op: 'requantize', name: 'scaled', input: 'spread' }, {
      ...{ op: 'concat', name: 'both', input: 'scaled', other: 'features' },
    } as Node);
    const scales = { features: 1, pool: 1, pooled: 2, spread: 2, scaled: 1, both: 1, projection: 3 };
    const quantizations = new Map(
      Object.entries(scales).map(([name, scale]) => [name, { type: 'uint8', scale, zeroPoint: 0 } as Quantization]),
    );
    quantizations.set('spread', { ...quantizations.get('spread')!, ...spread });
    return { ...graph(nodes), quantizations };
  };

  it('of whole numbers, too: the pixel gets the scale of the concatenation, and its sums have none', () => {
    const result = poolToBias(whole());
    const last = ['scaled', 'projection (pooled branch)', 'projection'];
    expect(names(result)).toEqual(['features', 'pool', 'pooled', ...last]);
    const [scaled, half, rest] = result.nodes.slice(-3);
    expect(scaled).toMatchObject({ op: 'requantize', input: 'pooled' });
    expect(half).toMatchObject({ input: 'scaled', inChannels: 3, firstInChannel: 0 });
    expect(rest).toMatchObject({ input: 'features', firstInChannel: 3, biasFrom: 'projection (pooled branch)' });
    expect(result.quantizations?.has('projection (pooled branch)')).toBe(false);
  });

  const changed = (index: number, node: Node) => graph(head().with(index, node));
  it.each<[string, Graph]>([
    ['the pool has a window', changed(1, { op: 'average_pool', name: 'pool', input: 'features', window: 7 })],
    [
      'what is resized has pixels',
      changed(3, { ...(head()[3] as Extract<Node, { op: 'resize' }>), input: 'features' }),
    ],
    ['the convolution is 3×3', graph(head({ kernel: 3 }))],
    ['the resized map is an output', graph(head(), 'spread', 'projection')],
    ['the concatenation is an output', graph(head(), 'both', 'projection')],
    [
      'the halves are in the other order',
      changed(4, { op: 'concat', name: 'both', input: 'features', other: 'spread' }),
    ],
    ['the resized map has another scale', whole({ scale: 2.5 })],
    ['the resized map counts from elsewhere', whole({ zeroPoint: 1 })],
  ])('not where %s', (_, given) => expect(poolToBias(given)).toEqual(given));
});

describe('together', () => {
  const drawn = prune(segmentationGraph(new MobileNetV2Config({ num_labels: 21, output_stride: 16 })), ['logits']);
  const count = ({ nodes }: Graph, op: Node['op']) => nodes.filter((node) => node.op === op).length;

  it('what is drawn has an operation a node', () => {
    const { nodes } = applyPasses(drawn, DRAWN);
    for (const node of nodes)
      if (node.op === 'convolution') expect(node).toMatchObject({ norm: null, activation: 'linear' });
    expect(nodes.length).toBeGreaterThan(150);
  });

  it('what is fused is convolutions and a pool, and no graph was changed on the way', () => {
    const before = structuredClone(drawn.nodes);
    const fused = applyPasses(drawn, FUSED);
    expect(drawn.nodes).toEqual(before);
    expect([...new Set(fused.nodes.map(({ op }) => op))].sort()).toEqual(['average_pool', 'convolution']);
    expect(count(fused, 'average_pool')).toBe(1);
    expect(fused.nodes.filter((node) => node.op === 'convolution' && node.residual !== undefined)).toHaveLength(
      count(drawn, 'add'),
    );
  });
});

describe('prune', () => {
  it('keeps all that an output is made of, also what a convolution adds', () => {
    const nodes = [
      conv('a', INPUT),
      conv('b', INPUT),
      conv('c', INPUT),
      conv('unwanted', 'a'),
      conv('sum', 'a', { residual: 'b', biasFrom: 'c' }),
    ];
    expect(names(prune(graph(nodes), ['sum']))).toEqual(['a', 'b', 'c', 'sum']);
    expect(names(prune(graph(nodes), ['b', 'unwanted']))).toEqual(['a', 'b', 'unwanted']);
  });

  it('keeps what an output needs, in order', () => {
    const whole = graph([conv('a', INPUT), conv('b', 'a'), conv('c', 'a')], 'b', 'c');
    expect(names(prune(whole, ['c']))).toEqual(['a', 'c']);
    expect([...prune(whole, ['a']).outputs]).toEqual([['a', 'a']]);
  });
});
