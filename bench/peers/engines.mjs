/** The engines compared. `threads` lists the thread counts an engine can run with in Node and in a browser. */
export const ENGINES = {
  'ours-wasm': { title: 'mobilenet-v2 wasm', file: 'ours', device: 'wasm', node: [1, 2], browser: [1, 2] },
  'ours-low': {
    title: 'mobilenet-v2 wasm, low memory',
    file: 'ours',
    device: 'wasm',
    memory: 'low',
    node: [1],
    browser: [],
  },
  'ours-js': { title: 'mobilenet-v2 js', file: 'ours', device: 'js', node: [1], browser: [1] },
  'ort-node': { title: 'onnxruntime-node', file: 'ort-node', node: [1, 2], browser: [] },
  'ort-web': { title: 'onnxruntime-web', file: 'ort-web', node: [1, 2], browser: [1, 2] },
  // In Node tfjs leaves its threads off.
  'tfjs-wasm': { title: 'tfjs-backend-wasm', file: 'tfjs-wasm', node: [1], browser: [1, 2] },
  'tfjs-cpu': { title: 'tfjs-backend-cpu', file: 'tfjs-cpu', node: [1], browser: [] },
  litert: { title: 'LiteRT.js', file: 'litert', node: [], browser: [1, 2] },
};

/** The folder that its files are in. */
const FLOAT = { part: 'float' };

/** Those for quantized networks, and beside them the same networks in real numbers. */
export const QUANTIZED_ENGINES = {
  'ours-wasm': { title: 'mobilenet-v2 wasm', file: 'ours', device: 'wasm', exact: true, node: [1, 2], browser: [1, 2] },
  'ours-js': { title: 'mobilenet-v2 js', file: 'ours', device: 'js', exact: true, node: [1], browser: [] },
  // Its classifiers end with probabilities.
  litert: { title: 'LiteRT.js, its own file', file: 'litert-quantized', node: [], browser: [1, 2] },
  'ort-node': { title: 'onnxruntime-node, QDQ', file: 'ort-node', qdq: true, node: [1, 2], browser: [] },
  'ort-web': { title: 'onnxruntime-web, QDQ', file: 'ort-web', qdq: true, node: [1, 2], browser: [1, 2] },
  'ours-float': {
    title: 'mobilenet-v2 wasm, float',
    file: 'ours',
    device: 'wasm',
    node: [1, 2],
    browser: [1, 2],
    ...FLOAT,
  },
  'litert-float': { title: 'LiteRT.js, float', file: 'litert', node: [], browser: [1, 2], ...FLOAT },
  'ort-node-float': { title: 'onnxruntime-node, float', file: 'ort-node', node: [1, 2], browser: [], ...FLOAT },
  'ort-web-float': { title: 'onnxruntime-web, float', file: 'ort-web', node: [1, 2], browser: [1, 2], ...FLOAT },
};

/** Not an engine: the multiply-add loop that shares are measured against. */
export const peak = ({ quantized }) => ({
  id: 'peak',
  file: 'peak',
  title: 'multiply-add peak',
  threads: 1,
  type: quantized ? 'i16' : 'f32',
});

/**
 * `{ id, title, file, device, threads }` of every engine chosen that a network has, with every thread count it can have.
 * @param ids those chosen; all unless given
 */
export function choose(place, { quantized, qdq }, ids, threads) {
  const all = Object.keys({ ...ENGINES, ...QUANTIZED_ENGINES });
  for (const id of ids ?? []) if (!all.includes(id)) throw new Error(`no engine ${id}; there are ${all.join(', ')}`);
  return Object.entries(quantized ? QUANTIZED_ENGINES : ENGINES)
    .filter(([id, engine]) => (ids ?? all).includes(id) && (qdq || !engine.qdq))
    .flatMap(([id, engine]) =>
      engine[place].filter((n) => threads.includes(n)).map((n) => ({ ...engine, id, threads: n })),
    );
}
