/**
 * Who goes from a file to a label, or to pixels. A module of engines/ has `open(options)`, which gives a function from the
 * bytes of a file to `{ label, score }`, or to `{ width, height, data, channels }` where it only decodes. Those that a server has,
 * too (server.mjs), take `threads`: 1 when left out, null for what the packages take by themselves.
 */
export const CLASSIFIERS = {
  ours: { title: 'mobilenet-v2', file: 'ours', node: true, browser: true },
  'ours-draft': { title: 'mobilenet-v2, `draft`', file: 'ours-draft', node: true, browser: true },
  transformers: {
    title: 'transformers.js',
    file: { node: 'transformers-node', browser: 'transformers' },
    node: true,
    browser: true,
  },
  'ort-sharp': { title: 'onnxruntime-node and sharp', file: 'ort-sharp', node: true },
  'tfjs-jpeg-js': { title: 'tfjs-backend-wasm and jpeg-js or pngjs', file: 'tfjs-jpeg-js', node: true },
  'ort-canvas': { title: 'onnxruntime-web and canvas', file: 'ort-canvas', browser: true },
  'tfjs-canvas': { title: 'tfjs-backend-wasm and canvas', file: 'tfjs-canvas', browser: true },
  python: { title: 'Python: Pillow, transformers, torch', python: true, node: true },
};

export const DECODERS = {
  ours: { title: 'mobilenet-v2', file: 'decode-ours', node: true },
  turbo: { title: '@cwasm/jpeg-turbo, libjpeg-turbo in WebAssembly', file: 'decode-turbo', node: true, jpegOnly: true },
  sharp: { title: 'sharp, native libjpeg-turbo', file: 'decode-sharp', node: true },
  'jpeg-js': { title: 'jpeg-js', file: 'decode-jpeg-js', node: true, jpegOnly: true },
  pngjs: { title: 'pngjs', file: 'decode-pngjs', node: true, pngOnly: true },
  pillow: { title: 'Pillow', python: true, node: true },
};

/** @returns `{ id, title, … }` of those that are wanted and run in a place */
export function choose(all, place, ids) {
  return Object.entries(all)
    .filter(([id, engine]) => engine[place] && (ids === undefined || ids.includes(id)))
    .map(([id, engine]) => ({ ...engine, file: engine.file?.[place] ?? engine.file, id, threads: 1 }));
}
