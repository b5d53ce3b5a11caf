/** Masks in colour: what every pixel gets, and whether people can tell the colours apart. */
import { describe, expect, it } from 'vitest';
import { colorize, legend, overlay, RawImage, Tensor } from '../../src/entries/main.js';
import { classColor } from '../../src/processors/colorize.js';
import { post_process_semantic_segmentation } from '../../src/processors/postprocess.js';
import { ciede2000, labOf } from '../helpers/color-distance.js';

const VOC = [
  ...[
    'background',
    'aeroplane',
    'bicycle',
    'bird',
    'boat',
    'bottle',
    'bus',
    'car',
    'cat',
    'chair',
    'cow',
    'diningtable',
  ],
  ...['dog', 'horse', 'motorbike', 'person', 'pottedplant', 'sheep', 'sofa', 'train', 'tvmonitor'],
];
const pixel = (image: RawImage, at: number) => [...image.data.subarray(at * image.channels, (at + 1) * image.channels)];

describe('the colours', () => {
  it('are told apart: each two of the 21 classes, and none is dark', () => {
    const colors = VOC.map((_, id) => labOf(id === 0 ? [0, 0, 0] : classColor(id)));
    const distances = colors.flatMap((a, i) => colors.slice(0, i).map((b) => ciede2000(a, b)));
    expect(distances).toHaveLength(210);
    expect(Math.min(...distances)).toBeGreaterThan(18.7);
    for (const [id, [lightness]] of colors.entries()) if (id > 0) expect(lightness, VOC[id]).toBeGreaterThan(50);
    // Class 0 has a colour too, in models without a background.
    const first = labOf(classColor(0));
    for (const color of colors) expect(ciede2000(first, color)).toBeGreaterThan(18.7);
  });

  it('are told apart over a photograph: half covered, on black, grey and white', () => {
    for (const ground of [0, 128, 255]) {
      const colors = VOC.map((_, id) =>
        labOf(id === 0 ? Array(3).fill(ground) : classColor(id).map((c) => (c + ground) / 2)),
      );
      const nearest = colors.flatMap((a, i) => colors.slice(0, i).map((b) => ciede2000(a, b)));
      expect(Math.min(...nearest), `on ${ground}`).toBeGreaterThan(8);
    }
  });

  it('differ and stay bright for any number of classes there may be', () => {
    const colors = Array.from({ length: 441 }, (_, id) => classColor(id));
    expect(new Set(colors.map(String)).size).toBe(441);
    for (const color of colors) expect(labOf(color)[0]).toBeGreaterThan(40);
    const lab = colors.slice(0, 151).map(labOf);
    expect(Math.min(...lab.flatMap((a, i) => lab.slice(0, i).map((b) => ciede2000(a, b))))).toBeGreaterThan(1.5);
    expect(classColor(100_000)).toHaveLength(3);
    expect(classColor(8)).toEqual([255, 0, 240]);
  });

  it('are measured rightly', () => {
    // Sharma, Wu and Dalal 2005, Table 1: pairs 1, 7, 17, 25 and 34.
    const pairs = [
      [[50, 2.6772, -79.7751], [50, 0, -82.7485], 2.0425],
      [[50, 0, 0], [50, -1, 2], 2.3669],
      [[50, 2.5, 0], [73, 25, -18], 27.1492],
      [[60.2574, -34.0099, 36.2677], [60.4626, -34.1751, 39.4387], 1.2644],
      [[2.0776, 0.0795, -1.135], [0.9033, -0.0636, -0.5514], 0.9082],
    ] as const;
    for (const [a, b, distance] of pairs) expect(ciede2000(a, b)).toBeCloseTo(distance, 4);
    expect(labOf([255, 255, 255])[0]).toBeCloseTo(100, 2);
    expect(labOf([255, 0, 0])[0]).toBeCloseTo(53.24, 1);
  });
});

describe('a map of classes', () => {
  const map = new Tensor('int64', [0, 8, 8, 15, 0, 8], [2, 3]);

  it('becomes a picture whose background is transparent', () => {
    const image = colorize(map);
    expect([image.size, image.channels]).toEqual([[3, 2], 4]);
    expect(pixel(image, 0)).toEqual([0, 0, 0, 0]);
    expect(pixel(image, 1)).toEqual([...classColor(8), 255]);
    expect(pixel(image, 3)).toEqual([...classColor(15), 255]);
  });

  it.each(['int64', 'int32', 'uint8'] as const)('of %s, also [1,h,w]', (type) => {
    expect(colorize(map.to(type))).toEqual(colorize(map));
    expect(colorize(map.to(type).unsqueeze(0))).toEqual(colorize(map));
  });

  it('has a legend, the largest first', () => {
    expect(legend(map, { labels: VOC })).toEqual([
      { id: 8, label: 'cat', color: classColor(8), share: 0.5 },
      { id: 0, label: 'background', color: [0, 0, 0], share: 1 / 3 },
      { id: 15, label: 'person', color: classColor(15), share: 1 / 6 },
    ]);
    expect(legend(map)[0].label).toBe('LABEL_8');
    expect(legend(map, { labels: { 8: 'Katze' } })[0].label).toBe('Katze');
  });

  it('knows its background by name, by number, or has none', () => {
    const colored = (options: object) => [0, 1, 3].filter((at) => pixel(colorize(map, options), at)[3] === 255);
    expect(colored({})).toEqual([1, 3]);
    expect(colored({ labels: VOC })).toEqual([1, 3]);
    expect(colored({ labels: { 0: 'wall', 8: 'cat', 15: 'person' } })).toEqual([0, 1, 3]);
    expect(colored({ labels: { 0: 'wall', 8: 'background' } })).toEqual([0, 3]);
    expect(colored({ background: null })).toEqual([0, 1, 3]);
    expect(colored({ background: 15 })).toEqual([0, 1]);
    expect(pixel(colorize(map, { background: null }), 0)).toEqual([...classColor(0), 255]);
  });

  it('takes a palette', () => {
    const palette = { 8: [1, 2, 3] } as const;
    expect(pixel(colorize(map, { palette }), 1)).toEqual([1, 2, 3, 255]);
    expect(pixel(colorize(map, { palette }), 3)).toEqual([...classColor(15), 255]);
    expect(legend(map, { palette })[0].color).toEqual([1, 2, 3]);
    expect(pixel(colorize(map, { palette: VOC.map((_, id) => [id, id, id] as const) }), 3)).toEqual([15, 15, 15, 255]);
  });

  it('is what post_process_semantic_segmentation gives', () => {
    const logits = new Tensor('float32', [1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1], [1, 3, 2, 2]);
    const [classes] = post_process_semantic_segmentation({ logits });
    expect(legend(classes).map(({ id }) => id)).toEqual([1, 0, 2]);
  });

  it.each([
    ['floats', new Tensor('float32', [1], [1, 1])],
    ['logits', new Tensor('int32', [1, 2], [1, 2, 1, 1])],
    ['negative classes', new Tensor('int32', [-2], [1, 1])],
    ['nothing', new Tensor('int32', [], [0, 1])],
    ['no list', 7],
    ['an empty list', []],
    ['a list of something else', [{ label: 'cat' }]],
  ])('is no %s', (_, wrong) => {
    expect(() => colorize(wrong as Tensor)).toThrow(expect.objectContaining({ code: 'ARG' }));
  });

  it.each([[[0, 1]], [[1, 0]]])('says what a map is that has no pixels, %j', (dims) => {
    expect(() => colorize(new Tensor('int32', [], dims))).toThrow(/^map: expected classes as an integer tensor/);
  });
});

describe('masks', () => {
  const mask = (...data: number[]) => new RawImage(Uint8Array.from(data), data.length, 1, 1);
  const masks = [
    { label: 'background', score: null, mask: mask(255, 0, 0) },
    { label: 'cat', score: null, mask: mask(0, 255, 0) },
  ];

  it('are coloured by their class where the labels are known, else by their place', () => {
    expect(pixel(colorize(masks, { labels: VOC }), 1)).toEqual([...classColor(8), 255]);
    expect(pixel(colorize(masks), 1)).toEqual([...classColor(1), 255]);
    for (const options of [{}, { labels: VOC }]) {
      expect(pixel(colorize(masks, options), 0)).toEqual([0, 0, 0, 0]);
      expect(pixel(colorize(masks, options), 2)).toEqual([0, 0, 0, 0]); // no mask lies there
    }
  });

  it('have a legend', () => {
    expect(legend(masks, { labels: VOC })).toMatchObject([
      { id: 0, label: 'background', share: 1 / 3 },
      { id: 8, label: 'cat', share: 1 / 3 },
    ]);
    expect(legend(masks).map(({ label }) => label)).toEqual(['background', 'cat']);
  });

  it('that do not fit are refused', () => {
    const bad = [
      [...masks, { label: 'dog', mask: mask(0, 255) }],
      [...masks, { label: 'dog', mask: mask(0, 255, 0).rgb() }],
      [...masks, { label: 'dog', mask: new Uint8Array(3) }],
    ];
    for (const list of bad) expect(() => colorize(list as typeof masks)).toThrow(/masks\[2\].*3×1/);
    expect(() => colorize([{ label: 'unicorn', mask: mask(1) }], { labels: VOC })).toThrow(/masks\[0\].*"unicorn"/);
  });
});

it('unknown options are refused by name', () => {
  const map = new Tensor('int32', [1], [1, 1]);
  const image = new RawImage(new Uint8Array(3), 1, 1, 3);
  expect(() => colorize(map, { pallette: [] } as object)).toThrow(/colorize: .*pallette.*palette/);
  expect(() => overlay(image, map, { opacity: 1 } as object)).toThrow(/overlay: .*opacity.*alpha/);
  expect(() => legend(map, { label: [] } as object)).toThrow(/legend: .*labels/);
});

describe('an overlay', () => {
  const image = new RawImage(Uint8Array.of(10, 20, 30, 10, 20, 30), 2, 1, 3);
  const map = new Tensor('int32', [0, 8], [1, 2]);

  it('blends by alpha and leaves the background', () => {
    const palette = { 8: [128, 0, 0] } as const;
    expect([...overlay(image, map, { palette }).data]).toEqual([10, 20, 30, 69, 10, 15]);
    expect([...overlay(image, map, { alpha: 0 }).data]).toEqual([...image.data]);
    expect([...overlay(image, map, { palette, alpha: 1 }).data]).toEqual([10, 20, 30, 128, 0, 0]);
    expect([...image.data]).toEqual([10, 20, 30, 10, 20, 30]);
  });

  it('is for a picture of the same size', () => {
    expect(() => overlay(image, map.view(2, 1))).toThrow(/1×2.*2×1/);
    expect(() => overlay('cat.png' as never, map)).toThrow(/RawImage/);
    for (const alpha of [-0.1, 1.1, Number.NaN, '0.5'])
      expect(() => overlay(image, map, { alpha: alpha as 1 })).toThrow(/alpha/);
  });
});
