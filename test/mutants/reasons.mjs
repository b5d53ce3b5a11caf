/**
 * Mutants that no test can kill, or that none should, and why. `at` is the line that it begins in, `was` what it replaces (on one
 * line), and `becomes` what with; any, where one is left out.
 */
const NO_WEIGHTS = 'never called: there are no weights to pack';

export const REASONS = [
  {
    file: 'src/base/fetcher.ts',
    at: 'let done = false;',
    why: 'holds until the first read alone; of a stream that fails there nothing is left to cancel',
  },
  {
    file: 'src/formats/torch-globals.ts',
    was: '/^__builtin__\\./',
    why: 'all names that torch knows are compared from their first letter on',
  },
  {
    file: 'src/graph/passes/absorb.ts',
    was: "node.op === 'convolution'",
    becomes: 'true',
    why: 'tells TypeScript what the line before has asked: only a convolution has a reader here',
  },
  {
    file: 'src/hub/names.ts',
    at: "const own = URL.canParse(host) ? new URL(host).host : '';",
    why: 'any text will do that no server is called by',
  },
  {
    file: 'src/images/resize/nearest.ts',
    was: 'i >= first',
    becomes: 'true',
    why: 'a typed array passes over what is written before its beginning',
  },
  {
    file: 'src/layers/pointwise/wasm.ts',
    was: 'k < K ? (scale?.[k] ?? 1) : 0',
    why: 'lanes of channels that there are not are computed and never stored',
  },
  {
    file: 'src/layers/resize/plain.ts',
    was: 'W - 1',
    becomes: 'W + 1',
    why: 'matters to pictures of more than 2²³ columns, where float32 rounds half a column up',
  },
  { file: 'src/layers/resize/wasm.ts', was: '(_spec, weights) => weights', why: NO_WEIGHTS },
  {
    file: 'src/tensor/operations.ts',
    was: 'column < n',
    becomes: 'column <= n',
    why: 'the number too many is written over by the next row, or lies after the end',
  },
];
