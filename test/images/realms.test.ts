/** Objects of another realm, as jsdom, happy-dom, iframes and node:vm make them, are what they are. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import {
  MobileNetV2ForImageClassification,
  MobileNetV2ImageProcessor,
  RawImage,
  Tensor,
} from '../../src/entries/main-node.js';
import { temporaryFolder } from '../helpers/cli.js';
import { expectRefusal } from '../helpers/pictures.js';
import { simplePng } from '../helpers/png-files.js';
import { saveTinyClassifier } from '../helpers/tiny.js';

const FILE = simplePng({ width: 2, colourType: 2 }, [[1, 2, 3, 4, 5, 6]]);
/** The classes of another realm. */
const other = runInNewContext(
  '({ Uint8Array, Uint8ClampedArray, Float32Array, BigInt64Array, ArrayBuffer, SharedArrayBuffer, DataView, Map, Array })',
) as typeof globalThis;

/** A class from elsewhere, with the name and the fields of the platform's: jsdom's Blob, undici's Response. */
function foreign(brand: string, fields: object): object {
  return Object.create(
    {
      get [Symbol.toStringTag]() {
        return brand;
      },
    },
    Object.getOwnPropertyDescriptors(fields),
  );
}

describe('another realm', () => {
  const expected = { width: 2, height: 1, channels: 3, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
  const buffer = new Uint8Array(FILE).buffer;

  it('is another one', () => {
    expect(new other.Uint8Array(1) instanceof Uint8Array).toBe(false);
    expect(new other.ArrayBuffer(1) instanceof ArrayBuffer).toBe(false);
  });

  it.each(
    Object.entries({
      Uint8Array: other.Uint8Array.from(FILE),
      ArrayBuffer: other.Uint8Array.from(FILE).buffer,
      DataView: new other.DataView(other.Uint8Array.from(FILE).buffer),
      Blob: foreign('Blob', { size: FILE.length, arrayBuffer: async () => buffer }),
      File: foreign('File', {
        size: FILE.length,
        name: 'a.png',
        arrayBuffer: async () => other.Uint8Array.from(FILE).buffer,
      }),
      URL: foreign('URL', { href: `data:image/png;base64,${Buffer.from(FILE).toString('base64')}` }),
      Response: foreign('Response', {
        ok: true,
        url: 'https://x.y/a.png',
        body: null,
        arrayBuffer: async () => buffer,
      }),
    }),
  )('%s', async (_, input) => {
    expect(await RawImage.read(input as Uint8Array)).toMatchObject(expected);
  });

  it('a Blob without arrayBuffer, as jsdom had it for long, is read by its FileReader', async () => {
    const globals = globalThis as { FileReader?: unknown };
    globals.FileReader = class {
      result: unknown;
      onload = () => {};
      readAsArrayBuffer() {
        this.result = buffer;
        queueMicrotask(() => this.onload());
      }
    };
    const blob = foreign('Blob', { size: FILE.length });
    expect(await RawImage.read(blob as Blob)).toMatchObject(expected);
    delete globals.FileReader;
  });

  it('pixels', async () => {
    const data = other.Uint8ClampedArray.of(9, 8, 7, 6);
    expect((await RawImage.read({ data, width: 1, height: 1 })).rgb().data).toEqual(Uint8Array.of(9, 8, 7));
    expect(new RawImage(other.Uint8Array.of(5), 1, 1, 1).toTensor().data).toEqual(Uint8Array.of(5));
    const shared = new other.Uint8Array(new other.SharedArrayBuffer(1));
    await expectRefusal(() => new RawImage(shared, 1, 1, 1), 'ARG', /shared memory/);
  });

  it('tensors share the memory of their data', () => {
    const data = other.Float32Array.of(1, 2);
    const tensor = new Tensor('float32', data, [2]);
    data[0] = 5;
    expect(tensor.add(1).tolist()).toEqual([6, 3]);
    expect(new Tensor('int64', other.BigInt64Array.of(7n), [1]).tolist()).toEqual([7n]);
    expect(new Tensor('float32', other.Array.of(1, 2), [2]).tolist()).toEqual([1, 2]);
    expect(() => new Tensor('float32', other.Uint8Array.of(1) as unknown as Float32Array, [1])).toThrow(
      /needs a Float32Array/,
    );
  });

  it('a folder that gives bytes of it, and a state dict in its Map', async () => {
    const folder = temporaryFolder();
    await saveTinyClassifier(folder);
    const foreignFolder = {
      name: 'foreign',
      read: async (file: string) => {
        const path = join(folder, file);
        return existsSync(path) ? other.Uint8Array.from(readFileSync(path)) : undefined;
      },
    };
    using model = await MobileNetV2ForImageClassification.from_pretrained(foreignFolder);
    await MobileNetV2ImageProcessor.from_pretrained(foreignFolder);
    const state = model.state_dict();
    const [name, tensor] = [...state].at(-1)!;
    const changed = new other.Map(state).set(name, tensor.to('float32').add(1));
    model.load_state_dict(changed as Map<string, Tensor>);
    expect(model.state_dict().get(name)!.data[0]).toBeCloseTo(Number(tensor.data[0]) + 1);
  });
});
