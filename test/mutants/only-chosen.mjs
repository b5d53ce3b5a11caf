/**
 * A plugin of Stryker: what lies inside a place of the sample is left as it is. A range of Stryker's (`mutate`) takes all
 * that it holds: of a function's body, a hundred mutants and not the one that empties it.
 */
import { relative } from 'node:path';
import { declareValuePlugin, PluginKind } from '@stryker-mutator/api/plugin';

const places = new Set(JSON.parse(process.env.MUTANT_PLACES ?? '[]'));

const keyOf = (path) => {
  const { start, end } = path.node.loc;
  const file = relative(process.cwd(), path.hub.file.opts.filename).replaceAll('\\', '/');
  return `${file}:${start.line}:${start.column}-${end.line}:${end.column}`;
};

export const strykerPlugins = [
  declareValuePlugin(PluginKind.Ignore, 'only-chosen', {
    shouldIgnore(path) {
      if (!path.node.loc || places.has(keyOf(path))) return undefined;
      const inside = path.findParent((parent) => parent.node.loc && places.has(keyOf(parent)));
      return inside ? 'inside a place of the sample' : undefined;
    },
  }),
];
