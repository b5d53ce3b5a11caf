/** Options by their names: an unknown one is an error that says which was probably meant. */
import { expected, listNames, MobileNetError, show } from './errors.js';

/**
 * Options that code for transformers and transformers.js passes, and that change nothing here: downloaded code is never
 * run, and files are read one way. A list holds the values for which that is true; any other value is refused.
 */
const WITHOUT_EFFECT: Record<string, readonly unknown[] | undefined> = {
  attn_implementation: undefined,
  device_map: ['auto', 'cpu', null],
  framework: undefined,
  low_cpu_mem_usage: undefined,
  mask_threshold: undefined,
  max_shard_size: undefined,
  output_attentions: [false, null],
  output_loading_info: [false, null],
  overlap_mask_area_threshold: undefined,
  push_to_hub: [false, null],
  quantized: [false, null],
  resume_download: undefined,
  return_dict: [true, null],
  return_tensors: undefined,
  return_unused_kwargs: [false, null],
  safe_serialization: [true, null],
  subtask: ['semantic', null],
  trust_remote_code: undefined,
  use_fast: undefined,
  use_safetensors: undefined,
};

/** Options that have another name here, or are replaced by something else. */
const INSTEAD: Record<string, string> = {
  use_auth_token: 'token',
  quantization_config: "dtype: 'float32'",
  timeout: 'signal: AbortSignal.timeout(milliseconds)',
};

/** Taken without effect, for the sake of code that says them; see `WITHOUT_EFFECT` for the values. */
export interface UnusedOptions {
  attn_implementation?: string;
  device_map?: 'auto' | 'cpu' | null;
  framework?: string;
  low_cpu_mem_usage?: boolean;
  output_attentions?: false | null;
  quantized?: false | null;
  resume_download?: boolean;
  return_dict?: true | null;
  trust_remote_code?: boolean;
  use_fast?: boolean;
  use_safetensors?: boolean | null;
}

/**
 * Those of `given` that say something and are not among those without effect.
 * @param where the function they are for, as messages name it
 * @throws MobileNetError ARG for an unknown name
 */
export function knownOptions(given: unknown, known: readonly string[], where: string): Record<string, unknown> {
  if (given === undefined) return {};
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw expected(where, 'an object of options', given);
  }
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    entries.filter(([name, value]) => known.includes(name) || !unused(name, value, known, where)),
  );
}

/** The same for options that are only checked. */
export function checkOptions(given: unknown, known: readonly string[], where: string): void {
  knownOptions(given, known, where);
}

/** True for an option without effect. */
function unused(name: string, value: unknown, known: readonly string[], where: string): true {
  if (Object.hasOwn(WITHOUT_EFFECT, name)) {
    const values = WITHOUT_EFFECT[name];
    if (values === undefined || values.includes(value)) return true;
    throw new MobileNetError('ARG', `${where}: ${name}: ${show(value)} is not supported here, only ${show(values[0])}`);
  }
  throw new MobileNetError('ARG', `${where}: unknown option ${show(name)}; ${suggestion(name, known)}`);
}

/** Those of some options that have one of these names. */
export function pick(options: object, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name)));
}

/**
 * For fields of files, of which there may be any: refuses only a name that is nearly that of a known one.
 * @throws MobileNetError ARG
 */
export function checkTypos(given: object, known: readonly string[], where: string): void {
  for (const name of Object.keys(given)) {
    const meant = known.includes(name) ? undefined : nearest(name, known);
    if (meant === undefined) continue;
    throw new MobileNetError('ARG', `${where}: unknown field ${show(name)}; did you mean ${meant}?`);
  }
}

/** What to write in place of an unknown name. */
function suggestion(name: string, known: readonly string[]): string {
  const meant = Object.hasOwn(INSTEAD, name) ? INSTEAD[name] : nearest(name, known);
  return meant === undefined ? `there are ${listNames(known, 40, 300)}` : `did you mean ${meant}?`;
}

/** The known name that differs least from an unknown one, if it is little; case and underscores do not count. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const plain = (text: string) => text.slice(0, 60).replaceAll(/[_-]/g, '').toLowerCase();
  const distances = known.map((other) => distance(plain(name), plain(other)));
  const least = Math.min(...distances);
  return least <= Math.max(1, plain(name).length / 4) ? known[distances.indexOf(least)] : undefined;
}

/** Letters to insert, delete, replace or swap with the next, to make one text of another (optimal string alignment). */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    rows[i] = [i];
    for (let j = 1; j <= b.length; j++) {
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      rows[i][j] = Math.min(
        rows[i - 1][j] + 1,
        rows[i][j - 1] + 1,
        rows[i - 1][j - 1] + Number(a[i - 1] !== b[j - 1]),
        swapped ? rows[i - 2][j - 2] + 1 : Number.POSITIVE_INFINITY,
      );
    }
  }
  return rows[a.length][b.length];
}
