/** Activations of any layer, and what a layer sees of the picture: both against the network as it is drawn. */
import { describe, expect, it } from 'vitest';
import { MobileNetError } from '../../src/base/errors.js';
import { MobileNetV2Model } from '../../src/models/mobilenet-v2/base-model.js';
import { MobileNetV2Config } from '../../src/models/mobilenet-v2/config.js';
import { MobileNetV2ForImageClassification } from '../../src/models/mobilenet-v2/image-classification.js';
import { MobileNetV2ForSemanticSegmentation } from '../../src/models/mobilenet-v2/semantic-segmentation.js';
import { Tensor } from '../../src/tensor/tensor.js';
import { expectClose } from '../helpers/close.js';
import { picture } from '../helpers/waves.js';

const CONFIG = new MobileNetV2Config({
  depth_multiplier: 0.1,
  depth_divisible_by: 4,
  min_depth: 4,
  num_labels: 5,
  initializer_range: 0.3,
});

describe('activations', () => {
  const pixels = picture(0, [2, 3, 48, 40]);

  it.each(['wasm', 'js'] as const)('%s: every layer of a classifier is what the reference draws', async (device) => {
    const drawn = new MobileNetV2ForImageClassification(CONFIG, { device: 'reference', seed: 3 });
    const fused = new MobileNetV2ForImageClassification(CONFIG, { device, threads: 1, seed: 3 });
    const names = drawn.graph.nodes.map(({ name }) => name);
    const expected = await drawn.activations(pixels, names);
    expect([...expected.keys()]).toEqual(names);
    const together = await fused.activations(pixels, names);
    for (const name of names) {
      expectClose(together.get(name)!, expected.get(name)!);
      // Alone, more is fused before it.
      expectClose((await fused.activations(pixels, [name])).get(name)!, expected.get(name)!);
    }
    const { logits } = await drawn({ pixel_values: pixels });
    expectClose(expected.get('classifier')!, logits);
  });

  it('low memory, where blocks run in bands, gives the layers inside them too', async () => {
    const options = { device: 'wasm', threads: 1, seed: 3 } as const;
    const large = picture(0, [1, 3, 224, 224]);
    const names = ['conv_stem.conv_3x3', 'layer.0.expand_1x1', 'layer.2.conv_3x3', 'layer.3.reduce_1x1', 'layer.3.add'];
    const config = new MobileNetV2Config({ depth_multiplier: 0.35, initializer_range: 0.3 });
    const fast = await new MobileNetV2Model(config, options).activations(large, names);
    const low = await new MobileNetV2Model(config, { ...options, memory: 'low' }).activations(large, names);
    expect(low).toEqual(fast);
  });

  it.each(['wasm', 'js'] as const)('%s: every layer of a segmenter, the pooled branch as well', async (device) => {
    const drawn = new MobileNetV2ForSemanticSegmentation(CONFIG, { device: 'reference', seed: 3 });
    const fused = new MobileNetV2ForSemanticSegmentation(CONFIG, { device, threads: 1, seed: 3 });
    const names = drawn.graph.nodes.map(({ name }) => name).filter((name) => name.startsWith('segmentation_head.'));
    expect(names).toHaveLength(7);
    const expected = await drawn.activations(pixels, names);
    const together = await fused.activations(pixels, names);
    for (const name of names) expectClose(together.get(name)!, expected.get(name)!);
  });

  it('are the hidden states, and computed by hand from the layer before', async () => {
    const model = new MobileNetV2Model(CONFIG, { device: 'wasm', threads: 1, seed: 3 });
    const hidden = await model.hidden_states(pixels, true);
    const ends = hidden.map((_, i) => {
      const add = `layer.${i}.add`;
      return model.graph.nodes.some(({ name }) => name === add) ? add : `layer.${i}.reduce_1x1`;
    });
    const got = await model.activations(pixels, ends);
    for (const [i, name] of ends.entries()) expectClose(got.get(name)!, hidden[i]);
    expectClose((await model.activations(pixels, ['hidden_states.4'])).get('hidden_states.4')!, hidden[4]);

    // layer.3.conv_3x3: nine taps of layer.3.expand_1x1, batch norm, ReLU6, as one would write it on a whiteboard.
    const [x, y] = ['layer.3.expand_1x1', 'layer.3.conv_3x3'];
    const both = await model.activations(pixels, [x, y]);
    const state = model.state_dict();
    const tensor = (part: string) => state.get(`layer.3.conv_3x3.${part}`)!.data as Float32Array;
    const [n, channels, height, width] = both.get(x)!.dims;
    const [, , outHeight, outWidth] = both.get(y)!.dims;
    const stride = height === outHeight ? 1 : 2;
    const padding = (size: number) => Math.floor(Math.max(3 - (size % stride === 0 ? stride : size % stride), 0) / 2);
    const input = both.get(x)!.data;
    const expected = new Float32Array(both.get(y)!.size);
    for (let at = 0; at < expected.length; at++) {
      const column = at % outWidth;
      const row = Math.floor(at / outWidth) % outHeight;
      const plane = Math.floor(at / (outWidth * outHeight)); // of n · channels
      const c = plane % channels;
      let sum = 0;
      for (let r = 0; r < 3; r++) {
        for (let s = 0; s < 3; s++) {
          const [h, w] = [row * stride + r - padding(height), column * stride + s - padding(width)];
          if (h < 0 || w < 0 || h >= height || w >= width) continue;
          sum += input[(plane * height + h) * width + w] * tensor('convolution.weight')[c * 9 + r * 3 + s];
        }
      }
      const deviation = Math.sqrt(tensor('normalization.running_var')[c] + CONFIG.layer_norm_eps);
      const normed = (sum - tensor('normalization.running_mean')[c]) / deviation;
      const value = normed * tensor('normalization.weight')[c] + tensor('normalization.bias')[c];
      expected[at] = Math.min(6, Math.max(0, value));
    }
    expect(n).toBe(2);
    expectClose(both.get(y)!, new Tensor('float32', expected, both.get(y)!.dims));
  });

  it('cost no more than they need', async () => {
    const model = new MobileNetV2ForImageClassification(CONFIG, { device: 'js' });
    // What comes after the layer is not looked at: its weights may be broken.
    for (const [name, { data }] of model.state_dict()) {
      if (/layer\.4\..*weight|classifier/.test(name)) (data as Float32Array).fill(Number.NaN);
    }
    const got = await model.activations(pixels, ['layer.3.add']);
    expect(got.get('layer.3.add')!.data.every(Number.isFinite)).toBe(true);
    expect((await model({ pixel_values: pixels })).logits.data.some(Number.isNaN)).toBe(true);
  });

  it.each([[[]], ['conv_1x1'], [['layer.16.add']], [['pixel_values']], [['toString']], [undefined]])(
    'refuse %j',
    async (names) => {
      const model = new MobileNetV2Model(CONFIG, { device: 'js' });
      const refusal = model.activations(picture(0, [1, 3, 32, 32]), names as string[]);
      await expect(refusal).rejects.toBeInstanceOf(MobileNetError);
      await expect(refusal).rejects.toMatchObject({ code: 'ARG' });
    },
  );
});

describe('layers', () => {
  it('are those of the paper: 300.8 M multiply-adds, 3.5 M parameters, the shapes of Table 2', () => {
    const config = new MobileNetV2Config({ num_labels: 1001 });
    const layers = new MobileNetV2ForImageClassification(config, { device: 'js' }).layers([1, 3, 224, 224]);
    const sum = (of: 'parameters' | 'multiplyAdds') => layers.reduce((total, layer) => total + layer[of], 0);
    expect(sum('multiplyAdds') / 1e6).toBeCloseTo(300.8, 1);
    expect(sum('parameters') / 1e6).toBeCloseTo(3.5, 1);
    const dims = new Map(layers.map((layer) => [layer.name, layer.dims]));
    expect(dims.get('conv_stem.first_conv')).toEqual([1, 32, 112, 112]);
    expect(dims.get('layer.0.conv_3x3')).toEqual([1, 96, 56, 56]);
    expect(dims.get('layer.15.reduce_1x1')).toEqual([1, 320, 7, 7]);
    expect(dims.get('conv_1x1')).toEqual([1, 1280, 7, 7]);
    expect(dims.get('pooler')).toEqual([1, 1280]);
  });

  // A pixel is poked and the values that change are noted: what a value sees is what can change it.
  it.each([
    [true, 32],
    [false, 32],
    [true, 4],
    [false, 4],
  ])('see of the picture what changes them (tf_padding %s, output stride %i)', async (tf_padding, output_stride) => {
    const config = new MobileNetV2Config({ ...CONFIG.to_dict(), tf_padding, output_stride, hidden_act: 'linear' });
    const model = new MobileNetV2Model(config, { device: 'js', seed: 3 });
    const [height, width] = [7, 61];
    const names = ['conv_stem.first_conv', 'conv_stem.reduce_1x1', 'layer.0.reduce_1x1', 'layer.1.add', 'layer.3.add'];
    const still = await model.activations(picture(0, [1, 3, height, width]), names);
    // [first, last] column of the input that changes column i, by layer.
    const seen = new Map(names.map((name) => [name, new Map<number, [number, number]>()]));
    for (let column = 0; column < width; column++) {
      const poked = picture(0, [1, 3, height, width]);
      for (let row = 0; row < 3 * height; row++) poked.data[row * width + column] += 1;
      const moved = await model.activations(poked, names);
      for (const name of names) {
        const [before, after] = [still.get(name)!, moved.get(name)!];
        const columns = before.dims[3];
        for (let at = 0; at < before.size; at++) {
          if (before.data[at] === after.data[at]) continue;
          const own = seen.get(name)!;
          const [first] = own.get(at % columns) ?? [column];
          own.set(at % columns, [first, column]);
        }
      }
    }
    for (const layer of model.layers([1, 3, height, width]).filter(({ name }) => names.includes(name))) {
      const { size, stride, start } = layer.receptiveField!.width;
      for (const [i, [first, last]] of seen.get(layer.name)!) {
        const middle = start + i * stride;
        const expected = [Math.max(0, middle - (size - 1) / 2), Math.min(width - 1, middle + (size - 1) / 2)];
        expect([first, last], `${layer.name}, column ${i}`).toEqual(expected);
      }
      expect(seen.get(layer.name)!.size).toBe(layer.dims![3]);
    }
  });
});
