/** The texts of the page, by language. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Text } from '../../examples/browser/i18n.js';
import { ar } from '../../examples/browser/strings/ar.js';
import { en } from '../../examples/browser/strings/en.js';
import { ROOT } from '../helpers/cli.js';

const formsOf = (text: Text): string[] => (typeof text === 'string' ? [text] : Object.values(text));
const placesIn = (form: string) => [...form.matchAll(/\{\w+\}/g)].map(([place]) => place);
/** What `other` has, or the only form. */
const places = (text: Text) => placesIn(typeof text === 'string' ? text : text.other).sort();
const isClass = (key: string) => key.startsWith('class.');

describe('the page in Arabic', () => {
  const arabic: Record<string, Text> = ar;

  it('says all that is said in English, with the same places to fill', () => {
    const own = Object.keys(arabic).filter((key) => !isClass(key));
    expect(own.sort()).toEqual(Object.keys(en).sort());
    for (const [key, text] of Object.entries(en)) expect(places(arabic[key]), key).toEqual(places(text));
  });

  it('has the plural forms of each language, and no form names what the text is not given', () => {
    for (const [language, texts] of Object.entries({ en, ar: arabic } as Record<string, Record<string, Text>>)) {
      const { pluralCategories } = new Intl.PluralRules(language).resolvedOptions();
      for (const [key, text] of Object.entries(texts)) {
        if (typeof text === 'string') continue;
        expect(pluralCategories, `${language} ${key}`).toEqual(expect.arrayContaining(Object.keys(text)));
        for (const form of formsOf(text)) expect(places(text), key).toEqual(expect.arrayContaining(placesIn(form)));
      }
    }
    const counted = Object.entries(en).filter(([, text]) => typeof text !== 'string');
    expect(counted.length).toBeGreaterThan(5);
    for (const [key] of counted) expect(typeof arabic[key], key).toBe('object');
  });

  it('says it in Arabic', () => {
    const foreign = Object.entries(arabic).filter(
      ([, text]) => !formsOf(text).every((form) => /[\u0600-\u06ff]/.test(form)),
    );
    expect(foreign.map(([key]) => key)).toEqual(['title', 'language']); // a name, and the other language
    const [kept, ...open] = ['\u2066', '\u2069'].map(
      (mark) => Object.values(arabic).flatMap(formsOf).join('').split(mark).length,
    );
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
