/** Where the cache is, by the variables of Python's huggingface_hub. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { env } from '../../../../src/base/env.js';
import { cacheFolder } from '../../../../src/entries/hub-node.js';
import { testHub } from '../../../hub/helpers.js';

it.each<[Record<string, string | undefined>, string]>([
  [{}, '~/.cache/huggingface/hub'],
  [{ XDG_CACHE_HOME: '/x' }, '/x/huggingface/hub'],
  [{ XDG_CACHE_HOME: '/x', HF_HOME: '/home/$NAME' }, '/home/me/hub'],
  [{ HF_HOME: '~/hf' }, '~/hf/hub'],
  [{ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old' }, '/old'],
  [{ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old', HF_HUB_CACHE: '/new' }, '/new'],
])('%j is %s', async (variables, folder) => {
  await testHub();
  vi.stubEnv('HF_HOME', undefined);
  vi.stubEnv('NAME', 'me');
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  expect(cacheFolder()).toBe(folder.replace('~', homedir()));
});

it('a call and env.cacheDir come before them', async () => {
  await testHub();
  env.cacheDir = '/setting';
  try {
    expect(cacheFolder()).toBe('/setting');
    expect(cacheFolder({ cache_dir: join('~', 'own') })).toBe(join(homedir(), 'own'));
  } finally {
    env.cacheDir = null;
  }
});

it('options that are none are named', () => {
  expect(() => cacheFolder(5 as never)).toThrow(/^options: /);
});
