/** Which tests judge the mutants of a room of src: its own first. All tests would take minutes for each. */
export const JUDGES = {
  base: ['base', 'hub/addresses', 'models/config', 'models/options'],
  cli: ['cli'],
  codecs: ['codecs'],
  convert: ['convert'],
  entries: ['entries'],
  formats: ['formats'],
  graph: ['graph', 'runtime/lower'],
  hub: ['hub', 'platforms/node/hub'],
  images: ['images'],
  layers: ['layers'],
  models: ['models'],
  pipeline: ['pipeline'],
  platforms: ['platforms'],
  processors: ['processors'],
  runtime: ['runtime'],
  tensor: ['tensor'],
};

export const filesOf = (judges) => judges.flatMap((name) => [`test/${name}.test.ts`, `test/${name}/**/*.test.ts`]);
