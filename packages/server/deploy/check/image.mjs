/**
 * node image.mjs: builds what the Dockerfile builds, then starts it as a container would be started: another user, nothing
 * to write to, no home. The image's own HEALTHCHECK asks it, a picture gets its label, and SIGTERM ends it with 0.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../bench/processes.mjs';
import { build } from './dockerfile.mjs';

const REPOSITORY = fileURLToPath(new URL('../../../../', import.meta.url));
const DOCKERFILE = fileURLToPath(new URL('../Dockerfile', import.meta.url));

/** A mount of its own where everything is read-only, if this user may make one. Another user in any case, if it is root. */
function wrap(command) {
  if (process.getuid() !== 0) return command;
  const asOther = ['setpriv', '--reuid', '1000', '--regid', '1000', '--clear-groups', '--no-new-privs', ...command];
  const readOnly = ['unshare', '-m', 'sh', '-ec', 'mount -o remount,ro,bind / && exec "$@"', 'sh'];
  try {
    execFileSync(readOnly[0], [...readOnly.slice(1), 'true'], { stdio: 'ignore' });
    return [...readOnly, ...asOther];
  } catch {
    console.log('no read-only mount here: the server runs as a user who owns nothing');
    return asOther;
  }
}

async function untilHealthy(server, healthcheck, env) {
  for (let tries = 0; tries < 100 && server.exitCode === null; tries++) {
    const [program, ...words] = healthcheck;
    const [code] = await once(spawn(program, words, { env, stdio: 'ignore' }), 'exit');
    if (code === 0) return;
    await sleep(200);
  }
  throw new Error('the image never got healthy');
}

const folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-image-'));
chmodSync(folder, 0o755);
let server;
try {
  const image = build(DOCKERFILE, REPOSITORY, folder);
  console.log(`${execFileSync('du', ['-sh', image.path()], { encoding: 'utf8' }).split('\t')[0]} of files`);
  const port = String(await freePort());
  const ported = (command) => command.map((word) => word.replaceAll('8080', port));
  const env = { ...image.env, HOME: '/nonexistent' };
  const [program, ...words] = wrap(ported(image.command));
  server = spawn(program, words, { cwd: image.path(), env, stdio: 'inherit' });
  await untilHealthy(server, ported(image.healthcheck), env);
  const form = new FormData();
  form.append('dog', new Blob([readFileSync(join(REPOSITORY, 'examples/dog.jpg'))]), 'dog.jpg');
  const answer = await fetch(`http://127.0.0.1:${port}/classify`, { method: 'POST', body: form });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  const [{ label }] = (await answer.json())[0].labels;
  if (!label.includes('malamute')) throw new Error(`expected a malamute, got ${label}`);
  server.kill('SIGTERM');
  const [code] = await once(server, 'exit');
  if (code !== 0) throw new Error(`expected exit code 0 after SIGTERM, got ${code}`);
  console.log(`healthy, ${label}, ended`);
} finally {
  server?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
