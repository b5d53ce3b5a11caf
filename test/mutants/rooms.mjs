/**
 * Which tests judge the mutants of a room of src: its own, without those that take minutes (thousands of JPEGs, whole networks on
 * the reference engine).
 */
export const JUDGES = {
  base: ['base', 'hub/addresses', 'models/config', 'models/options'],
  cli: ['cli'],
  codecs: ['codecs/jpeg', 'codecs/png', 'codecs/png-rows', 'codecs/tolerance'],
  convert: ['convert'],
  entries: ['entries'],
  formats: ['formats'],
  graph: ['graph', 'runtime/lower'],
  hub: ['hub', 'platforms/node/hub'],
  images: ['images', 'platforms/web'],
  layers: ['layers'],
  models: [
    ...['models/activations', 'models/config', 'models/explain', 'models/from-pretrained', 'models/loss'],
    ...['models/model', 'models/options', 'models/progress', 'models/quantized', 'models/saved'],
  ],
  pipeline: ['pipeline'],
  // The hub is tested at its protocol.
  platforms: ['platforms', 'hub'],
  processors: ['processors'],
  quantize: ['quantize'],
  runtime: ['runtime'],
  tensor: ['tensor'],
};

export const filesOf = (judges) => judges.flatMap((name) => [`test/${name}.test.ts`, `test/${name}/**/*.test.ts`]);
