/** The parts of the page that need no browser: models out of dropped files, and which layers a step does. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { folderOf } from '../../examples/browser/files.js';
import { sumByHand } from '../../examples/browser/inside/sum.js';
import { timesByLayer } from '../../examples/browser/inside/timing.js';
import {
  MobileNetV2Config,
  type MobileNetV2ConfigOptions,
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2ImageProcessor,
  Tensor,
} from '../../src/entries/main-node.js';
import { temporaryFolder } from '../helpers/cli.js';
import { waves } from '../helpers/waves.js';

const file = (path: string, name = path.replace(/.*\//, '')) => ({
  path: name,
  file: new File([new Uint8Array(readFileSync(path))], name),
});

const picture = new Tensor('float32', waves(3 * 64 * 64), [1, 3, 64, 64]);

describe('a model out of files', () => {
  it.each<[string, MobileNetV2ConfigOptions]>([
    ['1.0', {}],
    ['0.35, whose last layer keeps its width', { depth_multiplier: 0.35 }],
    ['0.5, whose last layer does not', { depth_multiplier: 0.5, finegrained_output: false }],
    ['1.4', { depth_multiplier: 1.4 }],
    ['widths in steps of 4', { depth_multiplier: 0.5, depth_divisible_by: 4 }],
    ['a stem that expands', { depth_multiplier: 0.25, first_layer_is_expansion: false }],
    ['an odd multiplier', { depth_multiplier: 0.625, num_labels: 7 }],
  ])('weights alone say what they are: %s', async (_, options) => {
    const folder = temporaryFolder();
    const config = new MobileNetV2Config({ num_labels: 3, initializer_range: 0.1, ...options });
    const model = new MobileNetV2ForImageClassification(config, { device: 'js', seed: 1 });
    await model.save_pretrained(folder);
    const found = await folderOf([file(`${folder}/model.safetensors`)]);
    const again = await MobileNetV2ForImageClassification.from_pretrained(found, { device: 'js' });
    expect(again.config.num_labels).toBe(config.num_labels);
    expect(await again({ pixel_values: picture })).toEqual(await model({ pixel_values: picture }));
    expect((await MobileNetV2ImageProcessor.from_pretrained(found)).crop_size).toEqual({ height: 224, width: 224 });
  });

  it('weights of a segmenter, too', async () => {
    const folder = temporaryFolder();
    const config = new MobileNetV2Config({ num_labels: 4, depth_multiplier: 0.5, output_stride: 16 });
    const model = new MobileNetV2ForSemanticSegmentation(config, { device: 'js', seed: 1 });
    await model.save_pretrained(folder);
    const found = await folderOf([file(`${folder}/model.safetensors`)]);
    const again = await MobileNetV2ForSemanticSegmentation.from_pretrained(found, { device: 'js' });
    expect(await again({ pixel_values: picture })).toEqual(await model({ pixel_values: picture }));
  });

  it('a folder is read from where its config.json lies', async () => {
    const config = new MobileNetV2Config({ image_size: 96, depth_multiplier: 0.25, num_labels: 2 });
    const dir = temporaryFolder();
    await new MobileNetV2ForImageClassification(config, { device: 'js' }).save_pretrained(dir);
    const files = ['config.json', 'model.safetensors'].map((name) => file(`${dir}/${name}`, `models/mine/${name}`));
    const folder = await folderOf([...files, file(`${dir}/config.json`, 'models/mine/older/config.json')]);
    expect(folder.name).toBe('mine');
    expect((await MobileNetV2Config.from_pretrained(folder)).depth_multiplier).toBe(0.25);
    expect((await MobileNetV2ImageProcessor.from_pretrained(folder)).crop_size).toEqual({ height: 96, width: 96 });
    expect(await folder.read('none.json')).toBeUndefined();
  });

  it('refuses what is not a model', async () => {
    await expect(folderOf([{ path: 'a.txt', file: new File(['x'], 'a.txt') }])).rejects.toThrow(/config\.json/);
    const header = new TextEncoder().encode('{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}');
    const bytes = new Uint8Array(8 + header.length + 8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
    bytes.set(header, 8);
    const other = { path: 'a.safetensors', file: new File([bytes], 'a.safetensors') };
    await expect(folderOf([other])).rejects.toThrow(/no MobileNetV2/);
  });
});

describe('a value that is summed by hand', () => {
  const shipped = (name: string) => fileURLToPath(new URL(`../../weights/${name}/`, import.meta.url));
  it.each([
    ['the classifier', MobileNetV2ForImageClassification, shipped('mobilenet_v2_1.0_224'), 64],
    [
      'the segmenter, whose last blocks are dilated',
      MobileNetV2ForSemanticSegmentation,
      shipped('deeplabv3_mobilenet_v2_0.5_513'),
      65,
    ],
  ] as const)('is the network’s own, in every convolution: %s', async (_, Model, folder, side) => {
    using model = await (Model as typeof MobileNetV2ForImageClassification).from_pretrained(folder, { device: 'js' });
    const pixels = new Tensor('float32', waves(3 * side * side), [1, 3, side, side]);
    const convolutions = model.graph.nodes.filter((node) => node.op === 'convolution');
    const used = new Set(
      model
        .layers([1, 3, side, side])
        .filter(({ dims }) => dims !== null)
        .map(({ name }) => name),
    );
    const names = convolutions.flatMap(({ name, input }) => [name, input]).filter((name) => used.has(name));
    const values = await model.activations(pixels, [...new Set(names)]);
    values.set('pixel_values', pixels);
    let compared = 0;
    for (const node of convolutions.filter(({ name }) => used.has(name))) {
      const output = values.get(node.name)!;
      const [, channels, height = 1, width = 1] = output.dims;
      // Corners see padding, the middle none.
      const places = [
        [0, 0],
        [height - 1, width - 1],
        [height >> 1, width >> 1],
        [0, width - 1],
      ];
      for (const [n, [y, x]] of places.entries()) {
        const channel = (n * 7919 + 3) % channels;
        const own = output.data[(channel * height + y) * width + x];
        const { result, terms } = sumByHand(node, model.state_dict(), values.get(node.input)!, { channel, y, x });
        const size = terms.reduce((sum, { product }) => sum + Math.abs(product), 0);
        expect(Math.abs(result - own), `${node.name} ${channel} ${y} ${x}`).toBeLessThan(1e-5 * (1 + size));
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(4 * 50);
  });
});

describe('steps and their layers', () => {
  const config = new MobileNetV2Config({ depth_multiplier: 0.35, num_labels: 3 });
  it.each([
    ['js', 'fast'],
    ['reference', 'fast'],
    ['wasm', 'low'],
  ] as const)(
    '%s, %s: every step is some layer’s, and every layer has a time or is in another’s step',
    (device, memory) => {
      for (const Model of [MobileNetV2ForImageClassification, MobileNetV2ForSemanticSegmentation]) {
        const model = new Model(config, { device, memory, threads: 1 });
        const { steps } = model.plan([1, 3, 224, 224]);
        const { nodes } = model.graph;
        const timed = steps.map(({ name }) => ({ name, median: 1 }));
        const { ms, within } = timesByLayer(nodes, timed as never);
        expect([...ms.values()].reduce((sum, time) => sum + time, 0)).toBe(steps.length);
        const used = model.layers([1, 3, 224, 224]).filter(({ dims }) => dims !== null);
        const lost = used.filter(({ name }) => !ms.has(name) && !within.has(name)).map(({ name }) => name);
        // The pooled branch of the head is computed as a bias: nothing is resized or put side by side.
        const folded = ['segmentation_head.resize', 'segmentation_head.concat'];
        expect(lost).toEqual(Model === MobileNetV2ForSemanticSegmentation && device !== 'reference' ? folded : []);
        for (const name of within.values()) expect(ms.has(name)).toBe(true);
      }
    },
  );
});
