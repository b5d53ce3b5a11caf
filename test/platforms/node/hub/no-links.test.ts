/** A file system or a user without symbolic links, as on most of Windows: snapshots hold copies. */
import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { hf_hub_download, hubFolder, scanCache, snapshot_download } from '../../../../src/entries/hub-node.js';
import { files, leftovers, REPO, testHub } from '../../../hub/helpers.js';

vi.mock('node:fs/promises', async (original) => ({
  ...(await original<typeof import('node:fs/promises')>()),
  symlink: async () => {
    throw Object.assign(new Error('EPERM: operation not permitted, symlink'), { code: 'EPERM', syscall: 'symlink' });
  },
}));

it('keeps copies, and finds them', async () => {
  const { hub, cache } = await testHub();
  const path = await snapshot_download(REPO);
  for (const [file, bytes] of Object.entries(files)) {
    expect(lstatSync(join(path, file)).isSymbolicLink()).toBe(false);
    expect(readFileSync(join(path, file)).equals(bytes)).toBe(true);
  }
  expect(leftovers(cache)).toEqual([]);
  hub.requests.length = 0;
  const folder = await hubFolder(REPO, { local_files_only: true });
  expect(await folder.read('model.safetensors')).toHaveLength(files['model.safetensors'].length);
  await hf_hub_download(REPO, 'model.safetensors');
  expect(hub.requests.filter(({ host }) => host === 'second')).toEqual([]);
  expect((await scanCache())[0].revisions[0].files).toHaveLength(Object.keys(files).length);
});
