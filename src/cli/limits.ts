/** `--limit name=value`: one flag for every limit in env.limits, which protect memory from damaged and hostile files. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { env, type Limits } from '../entries/main-node.js';

export interface LimitFlags {
  limit?: Partial<Limits>;
}

/** `imagePixels` as `image-pixels`. */
export const flagName = (limit: string): string => limit.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The names that `--limit` takes. */
export const limitNames = (): string[] => Object.keys(env.limits).map(flagName);

const UNITS: Record<string, number> = { '': 1, k: 1e3, m: 1e6, g: 1e9, ki: 2 ** 10, mi: 2 ** 20, gi: 2 ** 30 };

export const limitOption = (): Option =>
  new Option('--limit <name=n>', 'raise a limit, as in image-pixels=200M; repeatable').argParser(limit);

function limit(text: string, before: Partial<Limits> = {}): Partial<Limits> {
  const [, flag, amount] = /^([^=]*)=(.*)$/s.exec(text) ?? ['', text];
  const name = Object.keys(env.limits).find((each) => flagName(each) === flag) as keyof Limits | undefined;
  if (name === undefined) throw new InvalidArgumentError(`Expected one of ${limitNames().join(', ')}, = and a number.`);
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([kmg]?i?)b?$/i.exec(amount ?? '') ?? [];
  const value = Number(number) * UNITS[unit.toLowerCase()];
  if (Number.isSafeInteger(value) && value > 0) return { ...before, [name]: value };
  throw new InvalidArgumentError(`Expected a whole number such as ${flag}=${env.limits[name]}, 200M or 4Gi.`);
}

const DEFAULTS = { ...env.limits };

/** Limits hold from before the first file is opened, and in threads, which begin with a copy of them. */
export function obeyLimits(program: Command): void {
  program.hook('preAction', (_, command) => {
    Object.assign(env.limits, DEFAULTS, command.opts<LimitFlags>().limit);
  });
}
