/** Lowering goes node by node, and refuses by name what no kernel computes: a wrong step would be worse. */
import { describe, expect, it } from 'vitest';
import { type ConvNode, type Graph, INPUT, type Node } from '../../src/graph/nodes.js';
import { lower } from '../../src/runtime/compile/lower.js';

const conv = (name: string, input: string, more: Partial<ConvNode> = {}): ConvNode => ({
  ...{ op: 'convolution', name, input, inChannels: 4, outChannels: 4, kernel: 3, stride: 1, dilation: 1, groups: 4 },
  ...{ padding: 'same', weight: `${name}.weight`, bias: null, norm: null, activation: 'linear' },
  ...more,
});
const graph = (...nodes: Node[]): Graph => ({ inChannels: 3, nodes, outputs: new Map([['y', nodes.at(-1)!.name]]) });
const stem = conv('stem', INPUT, { inChannels: 3, groups: 1, stride: 2 });
const steps = (...nodes: Node[]) => lower(graph(...nodes), [1, 3, 8, 6], () => new Float32Array(0)).steps;

describe('lower', () => {
  it('looks at groups and kernel', () => {
    const nodes = [stem, conv('filter', 'stem'), conv('project', 'filter', { kernel: 1, groups: 1, outChannels: 5 })];
    expect(steps(...nodes).map(({ name, spec }) => [name, spec.op])).toEqual([
      ['stem', 'conv3x3'],
      ['filter', 'depthwise3x3'],
      ['project', 'pointwise'],
    ]);
  });

  it('one channel in its own group is a depthwise convolution', () => {
    const one = { inChannels: 1, outChannels: 1, groups: 1 };
    const narrow = conv('stem', INPUT, { inChannels: 3, groups: 1, outChannels: 1 });
    expect(steps(narrow, conv('filter', 'stem', one))[1].spec).toMatchObject({ op: 'depthwise3x3', channels: 1 });
  });

  it.each<[string, Node[], RegExp]>([
    [
      'a second full 3×3 convolution',
      [stem, conv('full', 'stem', { groups: 1 })],
      /^full: no kernel for a 3×3 convolution of 4 to 4 channels in 1 groups/,
    ],
    ['two groups', [stem, conv('grouped', 'stem', { groups: 2 })], /^grouped: no kernel for .* in 2 groups/],
    [
      'more outputs than groups',
      [stem, conv('wide', 'stem', { outChannels: 8 })],
      /^wide: .*4 to 8 channels in 4 groups/,
    ],
    ['1×1 with a stride', [stem, conv('p', 'stem', { kernel: 1, groups: 1, stride: 2 })], /^p: .*stride 2/],
    ['1×1 in groups', [stem, conv('p', 'stem', { kernel: 1 })], /^p: .*in 4 groups/],
    [
      'dilation in the first',
      [conv('stem', INPUT, { inChannels: 3, groups: 1, dilation: 2 })],
      /pixel_values: no kernel/,
    ],
    [
      '1×1 on the picture',
      [conv('p', INPUT, { kernel: 1, inChannels: 3, groups: 1 })],
      /pixel_values: no kernel for the pic/,
    ],
    [
      'an activation that is not a clamp',
      [conv('stem', INPUT, { inChannels: 3, groups: 1, activation: 'silu' })],
      /stem: .*silu/,
    ],
    ['a residual on 3×3', [stem, conv('f', 'stem', { residual: 'stem' })], /^f: .*with a residual/],
  ])('refuses %s', (_, nodes, message) => {
    expect(() => steps(...nodes)).toThrowError(
      expect.objectContaining({ code: 'UNSUPPORTED', message: expect.stringMatching(message) }),
    );
  });
});
