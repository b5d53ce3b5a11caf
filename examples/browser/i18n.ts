/** Every text of the page, in the visitor's language. English is complete; what another lacks is said in English. */
import { en } from './strings/en.js';

export type Key = keyof typeof en;
/** A text, or its forms by Intl's plural categories: the value `count` says which. */
export type Text = string | ({ other: string } & Partial<Record<Intl.LDMLPluralRule, string>>);
export type Strings = Partial<Record<Key | `class.${string}`, Text>>;

export const LANGUAGES = ['en', 'ar'] as const;
export type Language = (typeof LANGUAGES)[number];

let strings: Strings = en;
let locale = 'en';

/** A text with its `{places}` filled. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  const text: Text = strings[key] ?? en[key];
  const form = typeof text === 'string' ? text : (text[pluralOf(Number(values.count))] ?? text.other);
  return form.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name] ?? '';
    return apart(name === 'count' && typeof value === 'number' ? grouped(value) : String(value));
  });
}

const pluralOf = (count: number): Intl.LDMLPluralRule => new Intl.PluralRules(locale).select(count);

/**
 * Text that is written in its own direction, whatever is around it: in a line from right to left `−0.5` would become `0.5−`.
 * By Unicode's marks of isolation, because titles and labels have no elements.
 */
export function apart(text: string): string {
  // A number without a sign stays as it is, and needs no mark: it becomes part of the name of a class that is taught.
  if (!isRightToLeft() || /^[\d.,]*$/.test(text)) return text;
  return `\u2068${text}\u2069`;
}

/** The name of a class: of the 21 classes of Pascal VOC a language may have its own. Others stay as the model has them. */
export function className(label: string): string {
  const key = `class.${label}`;
  return (strings as Record<string, string>)[key] ?? label;
}

export const language = (): Language => locale as Language;
export const isRightToLeft = (): boolean => locale === 'ar';

const REMEMBERED = 'language';

/** The language that the address names, the one chosen at the last visit, or the browser's. */
export function firstLanguage(asked: string | undefined): Language {
  const wanted = [asked, remembered(), ...navigator.languages.map((one) => one.slice(0, 2))];
  return (wanted.find((one) => LANGUAGES.includes(one as Language)) ?? 'en') as Language;
}

function remembered(): string | undefined {
  try {
    return localStorage.getItem(REMEMBERED) ?? undefined;
  } catch {
    return undefined; // a page that may keep nothing
  }
}

export function remember(chosen: Language): void {
  try {
    localStorage.setItem(REMEMBERED, chosen);
  } catch {} // it is in the address, too
}

/** Loads a language and writes its texts into the page. */
export async function speak(next: Language): Promise<void> {
  strings = next === 'ar' ? (await import('./strings/ar.js')).ar : en;
  locale = next;
  document.documentElement.lang = next;
  document.documentElement.dir = isRightToLeft() ? 'rtl' : 'ltr';
  document.title = t('documentTitle');
  write(document);
}

/** `data-t` is an element's text; `data-t-label` its aria-label, `data-t-title` its title. */
export function write(root: ParentNode): void {
  for (const one of root.querySelectorAll<HTMLElement>('[data-t]')) one.textContent = t(one.dataset.t as Key);
  for (const one of root.querySelectorAll<HTMLElement>('[data-t-label]')) one.ariaLabel = t(one.dataset.tLabel as Key);
  for (const one of root.querySelectorAll<HTMLElement>('[data-t-title]')) one.title = t(one.dataset.tTitle as Key);
}

/** Numbers as the language writes them, with Western digits, as the figures of the paper. */
const format = (options: Intl.NumberFormatOptions) => (value: number) =>
  new Intl.NumberFormat(`${locale}-u-nu-latn`, options).format(value);

export const percent = (share: number): string => {
  const digits = share < 0.001 && share > 0 ? 2 : 1;
  return apart(`${format({ minimumFractionDigits: digits, maximumFractionDigits: digits })(100 * share)}\u00a0%`);
};
export const grouped = format({});
/** A day of this year without the year, and today with the time: `26 November`. */
export function dayOf(time: number): string {
  const [day, now] = [new Date(time), new Date()];
  const year = day.getFullYear() === now.getFullYear() ? {} : ({ year: 'numeric' } as const);
  const clock = day.toDateString() === now.toDateString() ? ({ timeStyle: 'short' } as const) : null;
  const how = clock ?? ({ day: 'numeric', month: 'long', ...year } as const);
  return apart(new Intl.DateTimeFormat(`${locale === 'en' ? 'en-GB' : locale}-u-nu-latn`, how).format(day));
}
/** A number of the network's own, with the sign of a minus. */
export const decimal = (value: number, digits = 2, plus = ''): string =>
  apart(`${plus}${value.toFixed(digits)}`.replace('-', '−'));
/** Tenths of milliseconds: sums of what is shown are what is shown of sums. */
export const tenths = (ms: number): number => Math.round(10 * ms) / 10;
export const milliseconds = (ms: number): string =>
  t('milliseconds', { value: format({ minimumFractionDigits: 1, maximumFractionDigits: 1 })(ms) });
export const megabytes = (bytes: number): string =>
  t('megabytes', { value: format({ minimumFractionDigits: 1, maximumFractionDigits: 1 })(bytes / 1e6) });
