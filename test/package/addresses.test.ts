/** scripts/addresses.mjs: the public addresses of package.json, before it is published. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT, temporaryFolder } from '../helpers/cli.js';

function addresses(origin: string | undefined, manifest: object = { name: 'x' }) {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  execFileSync('git', ['init', '--quiet'], { cwd: folder });
  if (origin !== undefined) execFileSync('git', ['remote', 'add', 'origin', origin], { cwd: folder });
  const run = spawnSync(process.execPath, [join(ROOT, 'scripts/addresses.mjs'), folder], { encoding: 'utf8' });
  return { ...run, manifest: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) };
}

describe('addresses', () => {
  it.each(['https://forge.example/me/net.git', 'git@forge.example:me/net.git', 'ssh://git@forge.example/me/net'])(
    'are those of %s',
    (origin) => {
      const { status, manifest } = addresses(origin);
      expect(status).toBe(0);
      expect(manifest.repository).toEqual({ type: 'git', url: 'git+https://forge.example/me/net.git' });
      expect(manifest.bugs).toEqual({ url: 'https://forge.example/me/net/issues' });
    },
  );

  it.each([undefined, '/srv/net', '../net', 'C:/net/x'])('are missing where origin is %s', (origin) => {
    const { status, stderr, manifest } = addresses(origin);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^package\.json: expected repository and bugs.*npm pkg set/);
    expect(manifest).toEqual({ name: 'x' });
  });

  it('that are there stay', () => {
    const given = { repository: 'github:a/b', bugs: { url: 'https://x.example' } };
    expect(addresses('https://forge.example/me/net.git', given)).toMatchObject({ status: 0, manifest: given });
  });
});
