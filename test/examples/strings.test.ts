/** The texts of the page, by language. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ar } from '../../examples/browser/strings/ar.js';
import { en } from '../../examples/browser/strings/en.js';
import { ROOT } from '../helpers/cli.js';

const places = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort();
const isClass = (key: string) => key.startsWith('class.');

describe('the page in Arabic', () => {
  const arabic: Record<string, string> = ar;

  it('says all that is said in English, with the same places to fill', () => {
    const own = Object.keys(arabic).filter((key) => !isClass(key));
    expect(own.sort()).toEqual(Object.keys(en).sort());
    for (const [key, text] of Object.entries(en)) expect(places(arabic[key]), key).toEqual(places(text));
  });

  it('says it in Arabic', () => {
    const foreign = Object.entries(arabic).filter(([, text]) => !/[\u0600-\u06ff]/.test(text));
    expect(foreign.map(([key]) => key)).toEqual(['title', 'language']); // a name, and the other language
    const [kept, ...open] = ['\u2066', '\u2069'].map((mark) => Object.values(arabic).join('').split(mark).length);
    expect(open).toEqual([kept]); // what is set apart comes to an end
  });

  it('names every class of the network that says where things are', () => {
    const config = join(ROOT, 'weights/deeplabv3_mobilenet_v2_0.5_513/config.json');
    const { id2label } = JSON.parse(readFileSync(config, 'utf8')) as { id2label: Record<string, string> };
    const named = Object.keys(arabic).filter(isClass);
    expect(named.sort()).toEqual(
      Object.values(id2label)
        .map((label) => `class.${label}`)
        .sort(),
    );
  });
});
