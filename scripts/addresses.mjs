/**
 * Before the package is published: npm's page wants to know where its sources and its issues are. Writes `repository`, `homepage`
 * and `bugs` of package.json from the address that this clone has as `origin`, unless they are there, and refuses to go on
 * where no public address is known.
 *
 *     node scripts/addresses.mjs [folder]
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2] ?? '.';
const file = join(folder, 'package.json');
const manifest = JSON.parse(readFileSync(file, 'utf8'));

/** https://host/owner/name of a remote, whichever way it is written; undefined for a path on this computer. */
function pageOf(remote) {
  const [, host, path] =
    /^(?:https?:\/\/|git:\/\/|ssh:\/\/)?(?:[\w-]+@)?([\w-]+(?:\.[\w-]+)+)[:/]([\w.-]+\/[\w.-]+?)(?:\.git)?\/?$/.exec(
      remote,
    ) ?? [];
  return host === undefined ? undefined : `https://${host}/${path}`;
}

function origin() {
  try {
    return execFileSync('git', ['remote', 'get-url', 'origin'], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return '';
  }
}

if (manifest.repository === undefined || manifest.bugs === undefined) {
  const page = pageOf(origin());
  if (page === undefined) {
    console.error(
      'package.json: expected repository and bugs, and this clone has no public origin to take them from; ' +
        'set them, e.g. npm pkg set repository.type=git repository.url=git+https://…/mobilenet-v2.git bugs.url=https://…/issues',
    );
    process.exit(1);
  }
  manifest.repository ??= { type: 'git', url: `git+${page}.git` };
  manifest.bugs ??= { url: `${page}/issues` };
  writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
  console.log(`package.json: repository and bugs are those of ${page}; commit it`);
}
