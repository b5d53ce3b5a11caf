/** This package's version, as its package.json says it. */
import { readFileSync } from 'node:fs';

// The same from src and from dist.
export const { version: VERSION } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
