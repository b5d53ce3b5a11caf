/**
 * Files that people have brought, from `../shared/cases` (its README says what each is). Logits are those of the framework
 * itself, printed by tf_keras 2.21, torch 2.13 and transformers 5 for the picture of `pictureOf`.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Converted, type ConvertOptions, convert, parseLabels } from '../../src/entries/convert-node.js';
import {
  MobileNetV2ForImageClassification,
  MobileNetV2ImageProcessor,
  RawImage,
  Tensor,
} from '../../src/entries/main-node.js';
import { shared, withoutShared } from '../helpers/shared.js';
import { expectError, memoryFolder } from '../helpers/weight-files.js';

const absent = withoutShared('cases of files that people brought');
const at = (path: string) => shared(`cases/${path}`);

/** Bytes of no meaning, all different enough. */
function pictureOf(size: number): RawImage {
  const bytes = Uint8ClampedArray.from({ length: size * size * 3 }, (_, i) => (i * 37 + Math.floor(i / 7) * 11) % 256);
  return new RawImage(bytes, size, size, 3);
}

async function logitsOf(model: MobileNetV2ForImageClassification, pixel_values: Tensor<'float32'>): Promise<number[]> {
  const { logits } = await model({ pixel_values });
  model.dispose();
  return [...(logits.data as Float32Array)];
}

const folderOf = (converted: Converted) => memoryFolder(Object.fromEntries(converted.files()));

/** Converts, then prepares the picture by the converted preprocessor and computes. */
async function convertedLogits(path: string, size: number, options?: ConvertOptions) {
  const converted = await convert(at(path), options);
  const processor = await MobileNetV2ImageProcessor.from_pretrained(folderOf(converted));
  const model = await MobileNetV2ForImageClassification.from_pretrained(folderOf(converted), { threads: 1 });
  const { pixel_values } = await processor(pictureOf(size));
  expect(pixel_values.dims).toEqual([1, 3, size, size]);
  return { converted, logits: await logitsOf(model, pixel_values as Tensor<'float32'>) };
}

const softmax = (logits: number[]) => [
  ...(new Tensor('float32', logits, [logits.length]).softmax().data as Float32Array),
];

function expectNear(got: number[], expected: number[]): void {
  const most = 5e-5 * Math.max(1, ...expected.map(Math.abs));
  expect(got.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(Math.abs(got[i] - value)).toBeLessThan(most);
}

/** Of the weights that most of these folders hold. */
const LOGITS = [-0.8680547475814819, 0.37122124433517456, 0.18956047296524048, 1.5817253589630127, 0.01751168817281723];
const HALVES = [-0.863372802734375, 0.3633555471897125, 0.1958341896533966, 1.5865259170532227, 0.0073270476423203945];

function pixels64(): Tensor<'float32'> {
  const { data } = pictureOf(64);
  const plane = 64 * 64;
  const values = Float32Array.from(
    { length: 3 * plane },
    (_, i) => data[(i % plane) * 3 + Math.floor(i / plane)] / 127.5 - 1,
  );
  return new Tensor('float32', values, [1, 3, 64, 64]);
}

describe.skipIf(absent)('folders of Hugging Face', () => {
  const loaded = async (path: string, strict = true) => {
    const model = await MobileNetV2ForImageClassification.from_pretrained(at(path), { threads: 1, strict });
    expect(model.newlyInitialized).toEqual([]);
    return logitsOf(model, pixels64());
  };
  it.each([
    ['02-counter-dtype/all_half', HALVES],
    ['02-counter-dtype/all_float', LOGITS],
    ['12-strict-false-wrong-head/pre_module', LOGITS],
    ['17-training-checkpoints/bin_counter', LOGITS],
    ['17-training-checkpoints/bin_dp', LOGITS],
    ['17-training-checkpoints/bin_ema_only', LOGITS],
    ['17-training-checkpoints/bin_model_state_dict', LOGITS],
    ['17-training-checkpoints/bin_param_attr', LOGITS],
  ])('%s loads and converts', async (path, expected) => {
    expectNear(await loaded(path), expected);
    expectNear(await loaded(path, false), expected);
    const converted = await convert(at(path));
    expect(converted.unmapped).toEqual([]);
    const model = await MobileNetV2ForImageClassification.from_pretrained(folderOf(converted), { threads: 1 });
    expectNear(await logitsOf(model, pixels64()), expected);
  });

  it('02: the counter is kept, as transformers keeps it', async () => {
    const { state } = await convert(at('02-counter-dtype/all_half'));
    expect(state.get('mobilenet_v2.conv_stem.first_conv.normalization.num_batches_tracked')!.tolist()).toBe(1234n);
  });

  it('11: tensors too many are named, and left out where that is asked for', async () => {
    const path = at('11-convert-no-strict-hf/extra_metric');
    await expectError(() => convert(path), { code: 'WEIGHTS', says: ['criterion.weight', 'loss_fn.weight'] });
    const converted = await convert(path, { strict: false });
    expect(converted.unmapped).toEqual(['criterion.weight', 'loss_fn.weight']);
    const model = await MobileNetV2ForImageClassification.from_pretrained(folderOf(converted), { threads: 1 });
    expectNear(await logitsOf(model, pixels64()), LOGITS);
  });
});

describe.skipIf(absent)('Keras', () => {
  it('06: names of TensorFlow 1', async () => {
    const { logits } = await convertedLogits('06-keras-scoped-names/tf1_all.h5', 96);
    expectNear(softmax(logits), [0.0001627024175832048, 8.512432395946234e-5, 0.999685525894165, 6.675440090475604e-5]);
  });

  it('12: a batch norm before the classifier becomes a part of it', async () => {
    const { logits, converted } = await convertedLogits('12-strict-false-wrong-head/k2_head_bn.h5', 96);
    expect(converted.notes.join()).toContain('batch_normalization');
    expectNear(softmax(logits), [0.14866888523101807, 0.00386366480961442, 0.8379083275794983, 0.00955908466130495]);
  });

  it('13: tf.cast before preprocess_input', async () => {
    const { logits } = await convertedLogits('13-keras-cast/k2_cast_pre.h5', 96);
    expectNear(logits, [-2.5847549438476562, 3.3687210083007812, 1.9589239358901978, 5.557947158813477]);
  });

  it('14: RandomCrop resizes at inference', async () => {
    const { logits, converted } = await convertedLogits('14-keras-randomcrop/k2_randomcrop_flat.h5', 96);
    expect(converted.config.image_size).toBe(96);
    expect(converted.preprocessor).toMatchObject({ size: { height: 96, width: 96 }, do_center_crop: false });
    expectNear(logits, [1.0709130764007568, -0.6276500225067139, 5.6861491203308105, 1.4356287717819214]);
  });
});

describe.skipIf(absent)('others', () => {
  it('05: a path of TensorFlow.js that begins with ./', async () => {
    const { from, architecture } = await convert(at('05-tfjs-dot-path/model'));
    expect([from, architecture]).toEqual(['tfjs', 'MobileNetV2ForImageClassification']);
    await convert(at('05-tfjs-dot-path/model/model.json'));
  });

  it('08: the shortest edge of torchvision’s weights, by the name of their file', async () => {
    const path = at('08-torchvision-v2-resize/mobilenet_v2-7ebf99e0.pth');
    const v2 = await convert(path);
    expect(v2.preprocessor).toMatchObject({ size: { shortest_edge: 232 }, crop_size: { height: 224, width: 224 } });
    expect(v2.notes).toEqual([]);
    const bytes = new Uint8Array(readFileSync(path));
    const v1 = await convert(bytes, { file: 'mobilenet_v2-b0353104.pth' });
    expect(v1.preprocessor).toMatchObject({ size: { shortest_edge: 256 } });
    expect(v1.notes).toEqual([]);
    const renamed = await convert(bytes, { file: 'mine.pth' });
    expect(renamed.preprocessor).toMatchObject({ size: { shortest_edge: 232 } });
    expect(renamed.notes.join()).toMatch(/232.*256.*shortest_edge/);
    const chosen = await convert(bytes, { file: 'mine.pth', shortest_edge: 240 });
    expect(chosen.preprocessor).toMatchObject({ size: { shortest_edge: 240 } });
  });

  it('12: a head of two layers is refused, its backbone is not', async () => {
    const path = at('12-strict-false-wrong-head/tv_clf_two.pth');
    for (const strict of [true, false]) {
      await expectError(() => convert(path, { strict }), {
        code: 'UNSUPPORTED',
        says: ['classifier.1', 'classifier.3', 'head: false'],
      });
    }
    expect((await convert(path, { head: false })).architecture).toBe('MobileNetV2Model');
  });

  it.each(['bom.json', 'class_index.json', 'label2id.json', 'spaces.txt', 'tm_metadata.json', 'trail.txt'])(
    '15: %s',
    (file) => {
      const bytes = new Uint8Array(readFileSync(at(`15-labels-encodings/${file}`)));
      expect(parseLabels(bytes, file)).toEqual(['daisy', 'dandelion', 'roses', 'sunflowers', 'tulips']);
    },
  );

  it('15: Latin-1 is said to be that', async () => {
    const bytes = new Uint8Array(readFileSync(at('15-labels-encodings/latin1.txt')));
    await expectError(() => parseLabels(bytes, 'l.txt'), { code: 'CONFIG', file: 'l.txt', says: ['UTF-8', 'Latin-1'] });
  });
});
