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

/** Not under Stryker: what needs a browser or a network, what asks the system about itself, and what takes minutes. */
export const LEFT_OUT = [];

export const filesOf = (judges) => judges.flatMap((name) => [`test/${name}.test.ts`, `test/${name}/**/*.test.ts`]);
