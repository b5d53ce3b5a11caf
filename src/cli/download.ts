/** `mobilenet-v2 download`: a model of the hub into the cache, where every command and Python's transformers find it. */
import type { Command } from 'commander';
import { snapshot_download } from '../node/hub.js';
import { type DownloadFlags, withDownloads } from './downloads.js';
import { cacheDirOption, debugOption, examples, revisionOption } from './options.js';
import type { Session } from './session.js';

interface Flags extends DownloadFlags {
  include?: string[];
  exclude?: string[];
  cacheDir?: string;
  force?: true;
  token: boolean;
  json?: true;
}

export function addDownload(program: Command, session: Session): void {
  const command = program
    .command('download')
    .summary('Download a model.')
    .description(
      'Download a model of the Hugging Face hub and print its folder. A token is taken from HF_TOKEN or the file of\n' +
        'a login, a mirror from HF_ENDPOINT. What broke off is continued.',
    )
    .argument('<model>', 'name of the model, such as google/mobilenet_v2_1.0_224')
    .addOption(revisionOption())
    .option('--include <patterns...>', 'only files that match one of these')
    .option('--exclude <patterns...>', 'no files that match one of these')
    .addOption(cacheDirOption())
    .option('--force', 'download also what is kept already')
    .option('--no-token', 'send no token')
    .option('--json', 'print a JSON object')
    .option('-q, --quiet', 'no progress bar')
    .addOption(debugOption())
    .action((model: string, flags: Flags) => download(model, flags, session));
  examples(command, [
    'download google/mobilenet_v2_1.0_224',
    "download google/deeplabv3_mobilenet_v2_1.0_513 --include '*.json' '*.bin'",
    'download google/mobilenet_v2_0.75_160 --revision refs/pr/4',
  ]);
}

async function download(model: string, flags: Flags, session: Session): Promise<void> {
  const { include: allow_patterns, exclude: ignore_patterns, cacheDir: cache_dir, force = false, token } = flags;
  const own = { allow_patterns, ignore_patterns, cache_dir, force_download: force, ...(token ? {} : { token }) };
  const path = await withDownloads(flags, session, (hub) => snapshot_download(model, { ...hub, ...own }));
  process.stdout.write(`${flags.json ? JSON.stringify({ model, path }) : path}\n`);
}
