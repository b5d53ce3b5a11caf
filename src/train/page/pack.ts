/** A model's folder as one ZIP file, to be downloaded. Weights hardly get smaller, so nothing is compressed. */
import { crc32 } from '../../base/bytes.js';
import { MobileNetError } from '../../base/errors.js';
import { openFolder, readModelFile } from '../../base/folder.js';

/** What `save_model` writes. */
const FILES = ['config.json', 'preprocessor_config.json', 'model.safetensors'];

/** @throws MobileNetError NOT_FOUND where there is no model */
export async function packModel(model: string, signal?: AbortSignal): Promise<Blob> {
  const folder = await openFolder(model);
  const files = new Map<string, Uint8Array>();
  for (const file of FILES) {
    const bytes = await readModelFile(folder, file, signal);
    if (bytes !== undefined) files.set(`${nameOf(model)}/${file}`, bytes);
  }
  if (files.size > 0) return new Blob(zipOf(files), { type: 'application/zip' });
  throw new MobileNetError('NOT_FOUND', `${model}: there is no model`, { file: model });
}

/** `flowers` of `opfs:garden/flowers`. */
export const nameOf = (model: string): string => model.replace(/\/+$/, '').replace(/^.*[/:]/, '') || 'model';

/** Parts of a ZIP file: the files, then the list of them. */
function zipOf(files: ReadonlyMap<string, Uint8Array>): Uint8Array<ArrayBuffer>[] {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const list: Uint8Array<ArrayBuffer>[] = [];
  let at = 0;
  for (const [path, bytes] of files) {
    const name = new TextEncoder().encode(path);
    const entry = fieldsOf(bytes, name.length);
    parts.push(words([0x04034b50, 4], entry), name, bytes as Uint8Array<ArrayBuffer>);
    list.push(words([0x02014b50, 4], [20, 2], entry, [0, 2], [0, 2], [0, 2], [0, 4], [at, 4]), name);
    at += 30 + name.length + bytes.length;
  }
  const size = list.reduce((sum, { length }) => sum + length, 0);
  const count: Field = [files.size, 2];
  return [...parts, ...list, words([0x06054b50, 4], [0, 2], [0, 2], count, count, [size, 4], [at, 4], [0, 2])];
}

type Field = readonly [value: number, bytes: 2 | 4];

/** Of both places in which a file is described: version, UTF-8, stored, 1 January 1980, checksum, sizes, lengths. */
const fieldsOf = (bytes: Uint8Array, nameLength: number): Field[] => [
  ...([
    [20, 2],
    [0x800, 2],
    [0, 2],
    [0, 2],
    [0x21, 2],
    [crc32(bytes), 4],
  ] as const),
  ...([
    [bytes.length, 4],
    [bytes.length, 4],
    [nameLength, 2],
    [0, 2],
  ] as const),
];

/** Little-endian numbers one after the other. */
function words(...given: (Field | Field[])[]): Uint8Array<ArrayBuffer> {
  const fields = given.flatMap((each) => (Array.isArray(each[0]) ? (each as Field[]) : [each as Field]));
  const view = new DataView(new ArrayBuffer(fields.reduce((sum, [, bytes]) => sum + bytes, 0)));
  let at = 0;
  for (const [value, bytes] of fields) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  return new Uint8Array(view.buffer);
}
