/** `mobilenet-v2 download`: a model of the hub into the cache, where every command and Python's transformers find it. */
import type { Command } from 'commander';
import { snapshot_download } from '../entries/hub-node.js';
import { withDownloads } from './downloads.js';
import { addLastOptions, cacheDirOption, examples, type ModelFlags, revisionOption } from './options.js';
import type { Session } from './session.js';
import { json } from './text.js';

interface Flags extends ModelFlags {
  include?: string[];
  exclude?: string[];
  force?: true;
  json?: true;
}

export function addDownload(program: Command, session: Session): void {
  const command = program
    .command('download')
    .summary('Download a model.')
    .description(
      'Download a model of the Hugging Face hub and print its folder. What broke off is continued. A token is taken from HF_TOKEN or the file of a login, a mirror from HF_ENDPOINT.',
    )
    .argument('<model>', 'its name, such as google/mobilenet_v2_1.0_224, or its address on the hub')
    .option('--include <patterns...>', 'only files that match one of these')
    .option('--exclude <patterns...>', 'no files that match one of these')
    .addOption(revisionOption())
    .addOption(cacheDirOption())
    .option('--force', 'download what is kept already as well')
    .option('--local-files-only', 'download nothing: print where it is kept')
    .option('--no-token', 'send no token to the hub')
    .option('--json', 'print a JSON object')
    .option('-q, --quiet', 'no progress bar')
    .action((model: string, flags: Flags) => download(model, flags, session));
  addLastOptions(command);
  examples(command, [
    'download google/mobilenet_v2_1.0_224',
    "download google/mobilenet_v2_1.0_224 --include '*.json' '*.bin'",
    'download google/mobilenet_v2_0.75_160 --revision refs/pr/4',
  ]);
}

async function download(model: string, flags: Flags, session: Session): Promise<void> {
  const { include: allow_patterns, exclude: ignore_patterns, force = false } = flags;
  const own = { allow_patterns, ignore_patterns, force_download: force };
  const path = await withDownloads(flags, session, (hub) => snapshot_download(model, { ...hub, ...own }));
  process.stdout.write(`${flags.json ? json({ model, path }) : path}\n`);
}
