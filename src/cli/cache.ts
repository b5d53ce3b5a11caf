/** `mobilenet-v2 cache`: the models that were downloaded, by this program and by Python's huggingface_hub. */
import type { Command } from 'commander';
import { cacheFolder, removeFromCache, scanCache, verifyCache } from '../entries/hub-node.js';
import { EXIT } from './errors.js';
import { addLastOptions, cacheDirOption, examples } from './options.js';
import type { Session } from './session.js';
import { json, megabytes, plural, printable, table } from './text.js';

interface Flags {
  cacheDir?: string;
  json?: true;
}

export function addCache(program: Command, session: Session): void {
  const cache = program.command('cache').description('Show, check and remove downloaded models.');
  cache.exitOverride();
  const add = (usage: string, description: string, models?: string) => {
    const command = cache.command(usage).description(description);
    if (models !== undefined) command.argument(models, 'names, such as google/mobilenet_v2_1.0_224');
    return addLastOptions(command.addOption(cacheDirOption()).option('--json', 'print JSON'));
  };
  add('list', 'Show the models in the cache, largest first.').action(list);
  add('verify', 'Compare files of models with their hashes.', '[model]').action(
    (model: string | undefined, flags: Flags) => verify(session, model, flags),
  );
  add('remove', 'Remove models from the cache.', '<models...>').action(remove);
  examples(cache, [
    'cache list',
    'cache verify google/mobilenet_v2_1.0_224',
    'cache remove google/mobilenet_v2_1.0_224',
  ]);
}

const where = ({ cacheDir }: Flags) => ({ cache_dir: cacheDir });
const print = (text: string) => process.stdout.write(`${text}\n`);

async function list(flags: Flags): Promise<void> {
  const models = (await scanCache(where(flags))).sort((a, b) => b.size - a.size);
  if (flags.json) return void print(json(models, 2));
  if (models.length === 0) return void print(`no models in ${printable(cacheFolder(where(flags)))}`);
  const rows = models.map(({ repo, size, revisions, unfinished }) => [
    printable(repo),
    megabytes(size),
    revisions.map(({ commit, refs }) => printable(refs.join(', ') || commit.slice(0, 8))).join(', ') || '-',
    String(revisions.reduce((sum, { files }) => sum + files.length, 0)),
    unfinished.length === 0 ? '' : `${plural(unfinished.length, 'download')} broken off`,
  ]);
  print(table([['model', 'size', 'revisions', 'files', ''], ...rows], [1, 3]));
  print(`\n${plural(models.length, 'model')} in ${printable(cacheFolder(where(flags)))}`);
}

async function verify(session: Session, model: string | undefined, flags: Flags): Promise<void> {
  const verdicts = await session.unlessStopped(verifyCache(model, { ...where(flags), signal: session.signal }));
  const bad = verdicts.filter(({ state }) => state === 'damaged' || state === 'missing');
  if (bad.length > 0) session.exitCode = EXIT.failed;
  if (flags.json) return void print(json(verdicts, 2));
  for (const { state, repo, commit, file } of bad)
    print(`${state}  ${printable(`${repo}/${file}`)} (${commit.slice(0, 8)})`);
  const unknown = verdicts.filter(({ state }) => state === 'unknown').length;
  const doubt = unknown === 0 ? '' : `, ${unknown} without a hash`;
  const remedy = bad.length === 0 ? '' : '; download them again with mobilenet-v2 download <model> --force';
  print(`${plural(verdicts.length, 'file')}, ${bad.length} damaged or missing${doubt}${remedy}`);
}

async function remove(models: string[], flags: Flags): Promise<void> {
  const removed = [];
  for (const model of models) {
    const { repo, size } = await removeFromCache(model, where(flags));
    removed.push({ repo, size });
    if (!flags.json) print(`removed ${printable(repo)}, ${megabytes(size)}`);
  }
  if (flags.json) print(json(removed));
}
