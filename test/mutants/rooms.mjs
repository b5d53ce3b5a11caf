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

/**
 * What these let pass, tests of other rooms try, which come by its code too; also those that Stryker cannot run, in browsers and
 * of processes that are killed.
 */
export const APPEALS = {
  base: ['formats', 'platforms', 'reliability/malformed'],
  cli: ['reliability/disk', 'reliability/command-line'],
  codecs: ['images/decode', 'images/draft', 'reliability/malformed'],
  convert: ['reliability/aliased', 'cli/convert'],
  entries: ['package/entries', 'platforms/web'],
  formats: ['convert', 'reliability/malformed', 'reliability/aliased'],
  graph: ['models', 'runtime'],
  hub: ['browser/page', 'cli/model'],
  images: ['browser/pictures', 'browser/video', 'platforms/web', 'processors', 'reliability/malformed'],
  layers: ['reliability/kernels', 'runtime', 'models/goldens'],
  models: ['pipeline', 'reliability/structured', 'cli/classify'],
  pipeline: ['models/progress', 'reliability/callers', 'cli'],
  platforms: ['hub', 'browser', 'models/from-pretrained', 'reliability/workers', 'reliability/disk'],
  processors: ['pipeline', 'browser/pictures', 'reliability/malformed'],
  runtime: ['models', 'browser/browser', 'reliability/memory', 'reliability/workers'],
  tensor: ['layers', 'entries', 'models/model', 'reliability/structured'],
};

export const filesOf = (judges) => judges.flatMap((name) => [`test/${name}.test.ts`, `test/${name}/**/*.test.ts`]);
