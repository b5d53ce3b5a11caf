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

/** Not an engine: the multiply-add loop that shares are measured against. */
export const PEAK = { id: 'peak', file: 'peak', title: 'multiply-add peak', threads: 1 };

/** `{ id, title, file, device, threads }` of every engine chosen, with every thread count it can have. */
export function choose(place, ids, threads) {
  return ids.flatMap((id) => {
    if (ENGINES[id] === undefined) throw new Error(`no engine ${id}; there are ${Object.keys(ENGINES).join(', ')}`);
    return ENGINES[id][place].filter((n) => threads.includes(n)).map((n) => ({ ...ENGINES[id], id, threads: n }));
  });
}
