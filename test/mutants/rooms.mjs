/**
 * Which tests judge the mutants of a room of src: its own, and those next to it. All tests would kill a few more, and take
 * minutes for each.
 */
export const JUDGES = {
  base: ['base', 'formats', 'hub', 'models/config', 'models/options', 'platforms/files', 'reliability/malformed'],
  cli: ['cli'],
  codecs: ['codecs', 'images/decode', 'images/draft'],
  convert: ['convert'],
  entries: ['entries', 'package/entries'],
  formats: ['formats', 'convert', 'reliability/malformed', 'reliability/aliased'],
  graph: ['graph', 'models/activations', 'models/goldens', 'runtime'],
  hub: ['hub', 'platforms/node/hub'],
  images: ['images', 'processors', 'codecs/tolerance', 'reliability/malformed'],
  layers: ['layers', 'reliability/kernels', 'runtime/engines', 'runtime/bands'],
  models: ['models', 'pipeline'],
  pipeline: ['pipeline', 'models/progress', 'reliability/callers'],
  platforms: ['platforms', 'hub', 'models/from-pretrained', 'cli/threads'],
  processors: ['processors', 'pipeline'],
  runtime: ['runtime', 'models/activations', 'models/goldens', 'models/model'],
  tensor: ['tensor', 'layers', 'entries', 'models/model'],
};

/**
 * Tests that Stryker cannot run, or not in reasonable time: in browsers, and of processes that are killed. They judge a
 * mutant that no other test comes by.
 */
export const APPEALS = {
  base: ['browser/pictures', 'platforms/web'],
  cli: ['reliability/disk', 'reliability/command-line'],
  hub: ['browser/page'],
  images: ['browser/pictures', 'browser/video', 'platforms/web'],
  platforms: ['browser', 'reliability/workers', 'reliability/disk'],
  processors: ['browser'],
  runtime: ['browser/browser', 'reliability/memory', 'reliability/workers'],
};

export const filesOf = (judges) => judges.flatMap((name) => [`test/${name}.test.ts`, `test/${name}/**/*.test.ts`]);
