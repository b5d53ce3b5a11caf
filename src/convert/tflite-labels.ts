/** Names of classes that a TFLite file carries: a zip after its tables, in which a text file has a line for each class. */
import { env } from '../base/env.js';
import { Zip } from '../formats/zip.js';
import { parseLabels } from './labels.js';

/** The last record of a zip, where it has no comment: "PK\5\6", then numbers up to 22 bytes. */
const END = [0x50, 0x4b, 5, 6];
const END_BYTES = 22;

/** @returns undefined for a file without labels */
export async function labelsAfter(
  bytes: Uint8Array,
  file: string,
  signal?: AbortSignal,
): Promise<readonly string[] | undefined> {
  const at = bytes.length - END_BYTES;
  if (at < 0 || END.some((byte, i) => bytes[at + i] !== byte)) return undefined;
  const zip = new Zip(bytes, file);
  const entry = [...zip.entries.values()].find(({ name }) => /\.txt$/i.test(name));
  if (entry === undefined) return undefined;
  return parseLabels(await zip.unpack(entry, env.limits.jsonBytes, signal), `${file}/${entry.name}`);
}
