/** The Arabic README says what the English one says: the same code, links, tables and figures in the same order. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from './helpers/cli.js';

const english = readFileSync(join(ROOT, 'README.md'), 'utf8');
const arabic = readFileSync(join(ROOT, 'README.ar.md'), 'utf8');

const code = (text: string) => [...text.matchAll(/^```(?:.|\n)*?^```/gm)].map(([block]) => block);
const prose = (text: string) => code(text).reduce((rest, block) => rest.replace(block, ''), text);
const sections = (text: string) => prose(text).split(/^## /m);
// Marks of direction stand before a Latin word or a figure that begins a phrase.
const plain = (text: string) => text.replace(/[\u200e\u200f]/g, '');
const figures = (text: string) => [...plain(text).matchAll(/\d[\d.,e-]*\d|\d/g)].map(([figure]) => figure);
// A translation may name the parts of a sentence in another order.
const sorted = (list: string[]) => [...list].sort();

describe('README.ar.md', () => {
  it('has the code of README.md', () => {
    expect(code(arabic)).toEqual(code(english));
  });

  it('has its sections, with the same links and the same names in code', () => {
    expect(sections(arabic).length).toBe(sections(english).length);
    for (const [at, section] of sections(english).entries()) {
      const twin = sections(arabic)[at] as string;
      const links = (text: string) =>
        sorted([...text.matchAll(/\]\((https?:[^)]+)\)/g)].map(([, link]) => link as string));
      const other = (link: string) => link.replace('README.ar.md', 'README.md');
      expect(links(twin).map(other)).toEqual(links(section).map(other));
      const names = (text: string) =>
        new Set([...plain(text).matchAll(/`([^`]+)`/g)].map(([, name]) => name as string));
      expect([...names(twin)].sort()).toEqual([...names(section)].sort());
    }
  });

  it('has its tables, row by row, with the same figures', () => {
    const rows = (text: string) => text.split('\n').filter((line) => line.startsWith('|'));
    expect(rows(arabic).length).toBe(rows(english).length);
    for (const [at, row] of rows(english).entries()) {
      expect(sorted(figures(rows(arabic)[at] as string)), row).toEqual(sorted(figures(row)));
    }
  });

  it('has the figures of each section', () => {
    // Figures that stand as words in one of the two: "two threads", "20", "1000 classes".
    const telling = (text: string) => new Set(figures(text).filter((figure) => /\d[.,e-]\d|\d{3}/.test(figure)));
    for (const [at, section] of sections(english).entries()) {
      expect([...telling(sections(arabic)[at] as string)].sort()).toEqual([...telling(section)].sort());
    }
  });

  it('is read from right to left, and the two lead to each other', () => {
    expect(arabic.startsWith('<div dir="rtl">')).toBe(true);
    expect(arabic).toContain('/README.md)');
    expect(english).toContain('/README.ar.md)');
  });
});
