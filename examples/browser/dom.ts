/** Elements by their id, with their type checked once, at the start. */
export function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return found;
}

/** A new element with a class and text. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  { className = '', text = '' } = {},
  ...children: Node[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.className = className;
  if (text !== '') made.append(text);
  made.append(...children);
  return made;
}

/** Percentages and milliseconds as people read them. */
export const percent = (share: number): string => `${(100 * share).toFixed(share < 0.001 && share > 0 ? 2 : 1)} %`;
export const milliseconds = (ms: number): string => `${ms < 10 ? ms.toFixed(ms < 1 ? 2 : 1) : ms.toFixed(0)}\u00a0ms`;
export const grouped = (count: number): string => count.toLocaleString('en');
