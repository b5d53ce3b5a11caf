/** `--labels`: names of classes from a file. */
import { parseLabels } from '../entries/convert-node.js';
import { env } from '../entries/main-node.js';
import { readAny } from '../platforms/node/reading.js';
import { unreadable } from './errors.js';

export async function readLabels(file: string): Promise<string[]> {
  const bytes = await readAny(file, file, env.limits.jsonBytes, { limit: 'jsonBytes' }).catch((cause: Error) => {
    throw unreadable('--labels', file, cause);
  });
  return parseLabels(bytes, file);
}
