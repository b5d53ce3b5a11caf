import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  load_image,
  MobileNetV2ImageProcessor,
  MobileNetV2Model,
  pipeline,
  type Tensor,
} from '../../src/entries/main-node.js';
import { cli, ROOT, temporaryFolder } from '../helpers/cli.js';
import { maxDifference, readGoldens } from '../helpers/goldens.js';
import { saveTinyClassifier, writeStripes } from '../helpers/tiny.js';

const PICTURES = ['examples/dog.jpg', 'examples/husky.png'];

/** An .npy file as numpy.lib.format describes version 1.0. */
function readNpy(path: string): { shape: number[]; data: Float32Array } {
  const bytes = readFileSync(path);
  expect(bytes.toString('latin1', 0, 8)).toBe('\x93NUMPY\x01\x00');
  const start = 10 + bytes.readUInt16LE(8);
  expect(start % 64).toBe(0);
  const header = bytes.toString('latin1', 10, start);
  const match = /^\{'descr': '<f4', 'fortran_order': False, 'shape': \(([\d, ]+)\), \} *\n$/.exec(header);
  expect(match, header).not.toBeNull();
  return {
    shape: match![1].split(', ').map(Number),
    data: new Float32Array(new Uint8Array(bytes.subarray(start)).buffer),
  };
}

/** Equal but for what the order of summation does, which depends on the batch. */
const expectClose = (actual: ArrayLike<number>, expected: ArrayLike<number>) =>
  expect(maxDifference(actual, expected).difference).toBeLessThan(1e-4);

describe('features', () => {
  let pooled: Tensor<'float32'>;
  let maps: Tensor<'float32'>;
  let hidden: Tensor<'float32'>;
  beforeAll(async () => {
    const processor = await MobileNetV2ImageProcessor.from_pretrained();
    const model = await MobileNetV2Model.from_pretrained();
    const images = await Promise.all(PICTURES.map((file) => load_image(join(ROOT, file))));
    const { pixel_values } = await processor(images);
    const outputs = await model({ pixel_values, output_hidden_states: [9] });
    pooled = outputs.pooler_output!;
    maps = outputs.last_hidden_state;
    hidden = outputs.hidden_states![0];
  });

  it('writes pooled features as .npy', async () => {
    const out = join(temporaryFolder(), 'f.npy');
    const { code, stdout, stderr } = await cli(['features', ...PICTURES, '--out', out]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const rows = out.replace('.npy', '.rows.csv');
    expect(stdout).toBe(`${out}: features of 2 pictures, [1280] each; ${rows} names the picture of each row\n`);
    expect(readFileSync(rows, 'utf8')).toBe('row,file\n0,examples/dog.jpg\n1,examples/husky.png\n');
    const { shape, data } = readNpy(out);
    expect(shape).toEqual([2, 1280]);
    expectClose(data, pooled.data);
  });

  it('writes maps and hidden states, one picture at a time or together', async () => {
    const folder = temporaryFolder();
    await cli(['features', ...PICTURES, '--no-pool', '--out', `${folder}/maps.npy`, '--batch-size', '2']);
    await cli(['features', ...PICTURES, '--hidden-state', '9', '--out', `${folder}/hidden.npy`]);
    for (const [name, tensor] of [
      ['maps', maps],
      ['hidden', hidden],
    ] as const) {
      const { shape, data } = readNpy(`${folder}/${name}.npy`);
      expect(shape).toEqual([...tensor.dims]);
      expectClose(data, tensor.data);
    }
    expect(readdirSync(folder).sort()).toEqual(['hidden.npy', 'hidden.rows.csv', 'maps.npy', 'maps.rows.csv']);
  });

  it('gives any layer by its name, and refuses an unknown one', async () => {
    const folder = temporaryFolder();
    const layer = 'layer.3.conv_3x3';
    const { code } = await cli(['features', ...PICTURES, '--layer', layer, '--out', `${folder}/layer.npy`]);
    expect(code).toBe(0);
    const extract = await pipeline('image-feature-extraction');
    const expected = await extract(PICTURES, { layer });
    const { shape, data } = readNpy(`${folder}/layer.npy`);
    expect(shape).toEqual([2, 192, 28, 28]);
    expect(expected.dims).toEqual(shape);
    expectClose(data, expected.data as Float32Array);
    const none = await cli(['features', PICTURES[0], '--layer', 'layer.16.add']);
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('inspect')]);
    expect((await cli(['features', PICTURES[0], '--layer', layer, '--hidden-state', '3'])).code).toBe(2);
  });

  it('writes safetensors with the names of the pictures that worked', async () => {
    const folder = temporaryFolder();
    writeFileSync(`${folder}/broken.png`, 'no picture');
    const out = `${folder}/f.safetensors`;
    const args = [PICTURES[0], `${folder}/broken.png`, PICTURES[1]];
    const { code, stdout } = await cli(['features', ...args, '--out', out, '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject([{ row: 0, dims: [1280] }, { error: {} }, { row: 1, dims: [1280] }]);
    const features = readGoldens(out).get('features')!;
    expect(features.dims).toEqual([2, 1280]);
    expectClose(features.data as Float32Array, pooled.data);
    const bytes = readFileSync(out);
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE())));
    expect(JSON.parse(header.__metadata__.files)).toEqual(PICTURES);
  });

  it('prints values only as JSON', async () => {
    const text = await cli(['features', PICTURES[0]]);
    expect(text.stdout).toBe('features of 1 picture, [1280] each; --out FILE writes them, --format csv prints them\n');
    const json = await cli(['features', PICTURES[0], '--ndjson']);
    const { features } = JSON.parse(json.stdout);
    expectClose(features, pooled.data.slice(0, 1280));
  });

  it('refuses the picture whose maps do not fit the others, and an --out of another kind', async () => {
    const folder = temporaryFolder();
    await saveTinyClassifier(folder);
    const processor = new MobileNetV2ImageProcessor({ do_resize: false, do_center_crop: false });
    await processor.save_pretrained(folder);
    mkdirSync(`${folder}/p`);
    for (const [n, size] of [64, 96, 64].entries()) writeStripes(`${folder}/p`, `${n}.png`, n, size, size);
    const args = ['features', 'p', '--model', '.', '--no-pool', '--batch-size', '3', '--json', '--out'];
    const { code, stdout } = await cli([...args, 'f.npy'], { cwd: folder });
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject([{ row: 0 }, { error: { code: 'SHAPE' } }, { row: 1 }]);
    const other = await cli([...args, 'f.csv'], { cwd: folder });
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('.npy or .safetensors');
  });
});
