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
    file: 'src/codecs/jpeg/samples/idct-reduced.ts',
    was: "'high'",
    why: 'every text but low means the upper half',
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
    file: 'src/models/mobilenet-v2/random.ts',
    was: '32 - by',
    becomes: '32 + by',
    why: 'JavaScript shifts by a count modulo 32',
  },
  {
    file: 'src/platforms/node/files.ts',
    at: 'for (const each of leftovers) await rm(each, { force: true }).catch(() => {}); // the first error counts',
    was: 'true',
    why: 'the error for a file that is not there is passed over like every other',
  },
  {
    file: 'src/platforms/shipped.ts',
    was: "'../../weights/mobilenet_v2_1.0_224/model.safetensors'",
    why: 'read in a bundle alone, by a bundler that gives files new names; the folder is found by config.json elsewhere',
  },
  {
    file: 'src/platforms/web.ts',
    was: "{ type: 'image/jpeg' }",
    why: 'browsers look at the bytes of an image, and not at the type of its Blob',
  },
  {
    file: 'src/quantize/report.ts',
    was: 'difference === 0',
    becomes: 'false',
    why: 'nothing over the least number that there is, is nothing too',
  },
  {
    file: 'src/tensor/operations.ts',
    was: 'column < n',
    becomes: 'column <= n',
    why: 'the number too many is written over by the next row, or lies after the end',
  },
];
