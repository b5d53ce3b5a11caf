/**
 * Messages of the library name its options, which no one at a command line has. Here they become the flags that are
 * there instead. test/cli/language.test.ts holds that no message of the library is left out.
 */
import { flagName } from './limits.js';

/** Options that a message begins with, `threads: expected …`, and the flag. */
const FLAGS: Record<string, string> = {
  model: '--model',
  revision: '--revision',
  cache_dir: '--cache-dir',
  local_files_only: '--local-files-only',
  force_download: '--force',
  device: '--device',
  threads: '--threads',
  memory: '--memory',
  strict: '--no-strict',
  allowNonfinite: '--allow-nonfinite',
  top_k: '--top-k',
  topk: '--top-k',
  threshold: '--threshold',
  label: '--label',
  labels: '--labels',
  head: '--no-head',
  pixelRange: '--pixel-range',
  shortest_edge: '--shortest-edge',
  wholeImage: '--center-crop',
  layer: '--layer',
  runs: '--runs',
  dtype: '--dtype',
  // Of training.
  resume_from_checkpoint: '--resume',
  learning_rate: '--learning-rate',
  num_train_epochs: '--epochs',
  per_device_train_batch_size: '--batch-size',
  batch_norm: '--batch-norm',
  classifier_dropout_prob: '--dropout',
  train_sampling_strategy: '--balance',
  testShare: '--test-share',
};

/** Names that are words of no other kind, wherever they stand. */
const ANYWHERE = Object.keys(FLAGS).filter((name) => /[_A-Z]/.test(name) && name !== 'shortest_edge');

/** In this order. */
const RULES: readonly (readonly [RegExp, string | ((...parts: string[]) => string)])[] = [
  // Limits: `env.limits.imagePixels (50000000)`, `… is 50000000`, or the name alone.
  [
    /\benv\.limits\.(\w+)(?: \((\d+)\)| is (\d+))?/g,
    (_, name, value, other) => `--limit ${flagName(name)}=${value ?? other ?? '…'}`,
  ],
  [/(--limit \S+), or (\w+) for/g, (_, first, name) => `${first}, or ${flagName(name)}=… for`],
  [/the limit is in env\.limits/g, 'raise --limit json-bytes=… if you trust it'],
  // What is switched on or off.
  [/\bload with force_download: true/g, 'load it again with mobilenet-v2 download --force'],
  [/\bstrict: (?:false|true)/g, '--no-strict'],
  [/\bhead: false/g, '--no-head'],
  [/\bwholeImage: (?:false|true)/g, '--center-crop'],
  [/\b(allowNonfinite|local_files_only|force_download): true/g, (_, name) => FLAGS[name]],
  [/\b(device|threads) (auto|wasm|js|reference|\d+)\b/g, (_, name, value) => `${FLAGS[name]} ${value}`],
  // The name of a call, and remedies that do not help at the command line.
  [/^(from_pretrained|pipeline): /g, ''],
  [/, or hand in a compiled module/g, ''],
  [/; env\.useFSCache = false does without/g, '; is HF_ENDPOINT right?'],
  [/env\.remoteHost, (?=HF_ENDPOINT)/g, ''],
  [/; env\.network\.timeout can be raised/g, ''],
  [/\bbatch_norm: '(\w+)'/g, '--batch-norm $1'],
  // Names.
  [/\bsee shortest_edge\b/g, 'see --shortest-edge'],
  [new RegExp(`^(${Object.keys(FLAGS).join('|')})(?=: )`), (_, name) => FLAGS[name]],
  [new RegExp(`(?<!["\\w-])(${ANYWHERE.join('|')})(?!["\\w])`, 'g'), (_, name) => FLAGS[name]],
];

/** A message of the library in the words of the command line. */
export function inFlags(message: string): string {
  return RULES.reduce((text, [pattern, flag]) => text.replace(pattern, flag as string), message);
}
