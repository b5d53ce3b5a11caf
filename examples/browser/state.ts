/** What the address says: `#mode=where&sample=dog&layer=layer.3`, so that a link shows what its sender saw. */
export interface State {
  mode: string;
  /** The name of a sample without its ending; empty for a picture of the visitor's own, which no link holds. */
  sample: string;
  /** The part of the network that is open; empty for none. */
  layer: string;
  lang: string;
}

const NAMES = ['mode', 'sample', 'layer', 'lang'] as const;

export function readState(hash = location.hash): Partial<State> {
  const given = new URLSearchParams(hash.replace(/^#/, ''));
  return Object.fromEntries(NAMES.filter((name) => given.has(name)).map((name) => [name, given.get(name)!]));
}

/** The address with some things changed. What is empty is left out. */
export function linkTo(changes: Partial<State>): string {
  const state = { ...readState(), ...changes };
  const params = new URLSearchParams();
  for (const name of NAMES) if (state[name]) params.set(name, state[name]);
  const url = new URL(location.href);
  url.hash = params.toString();
  return url.href;
}

export const writeState = (changes: Partial<State>): void => history.replaceState(null, '', linkTo(changes));
