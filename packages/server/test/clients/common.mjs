/** What the clients in JavaScript share, as common.py for Python. */
import { deepEqual, ok } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const { SERVER } = process.env;
const expected = JSON.parse(readFileSync(join(process.env.EXPECTED, 'expected.json'), 'utf8'));

export const read = (name) => readFileSync(join(process.env.EXAMPLES, name));
export const features = (name) => expected.features[name];

/** That [{ label, score }], best first, is what Python's transformers says; as many as there are. */
export function checkLabels(found, name) {
  const own = expected.labels[name].slice(0, found.length);
  deepEqual(
    found.map(({ label }) => label),
    own.map(({ label }) => label),
  );
  for (const [i, { score }] of found.entries()) ok(Math.abs(score - own[i].score) < 1e-5, `${name}: ${score}`);
}
