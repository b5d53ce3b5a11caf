/** A hub and an empty cache for a test, and an environment that points to them. */
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, onTestFinished, vi } from 'vitest';
import { env } from '../../src/base/env.js';
import { MobileNetError } from '../../src/entries/main-node.js';
import { temporaryFolder } from '../helpers/cli.js';
import { type Asked, dogsFiles, type Files, type Hub, startHub } from './server.mjs';

/** The environment's words about the hub, whatever the machine of the test says. */
const VARIABLES = [
  'HF_ENDPOINT',
  'HF_HOME',
  'HF_HUB_CACHE',
  'HUGGINGFACE_HUB_CACHE',
  'XDG_CACHE_HOME',
  'HF_TOKEN',
  'HUGGING_FACE_HUB_TOKEN',
  'HF_TOKEN_PATH',
  'HF_HUB_OFFLINE',
  'TRANSFORMERS_OFFLINE',
  'HF_HUB_DISABLE_IMPLICIT_TOKEN',
];

afterEach(() => vi.unstubAllEnvs());

export interface TestHub {
  hub: Hub;
  cache: string;
}

/** Quick to try again, so that tests are quick; patient with a machine that is busy. */
export async function testHub(repos?: Record<string, Files>): Promise<TestHub> {
  const hub = await startHub(repos && { repos });
  const cache = temporaryFolder();
  for (const name of VARIABLES) vi.stubEnv(name, undefined);
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_HOME', cache);
  const { network } = env;
  env.network = { attempts: 3, backoff: 10, timeout: 20_000 };
  onTestFinished(async () => {
    env.network = network;
    await hub.close();
  });
  return { hub, cache: join(cache, 'hub') };
}

/** The model that the hub has, its files, and the one of them that is large: it comes from the second host. */
export const REPO = 'org/dogs';
export const files = dogsFiles();
export const WEIGHTS = 'model.safetensors';

/** The hash by which large files are known. */
export const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** What the second host was asked for: the downloads of large files. */
export const downloadsOf = (hub: Hub): Asked[] => hub.requests.filter(({ host }) => host === 'second');

/** What a promise is refused with. */
export async function refusal(promise: Promise<unknown>): Promise<MobileNetError> {
  const error = await promise.then(
    (value) => expect.fail(`expected a refusal, got ${String(value)}`),
    (cause) => cause,
  );
  expect(error).toBeInstanceOf(MobileNetError);
  expect(error.message.length).toBeLessThan(500);
  return error;
}

/** All files and links below a folder. */
export const filesBelow = (folder: string): string[] =>
  (readdirSync(folder, { recursive: true, withFileTypes: true }) as import('node:fs').Dirent[])
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();

/** Downloads under way or broken off, locks, and other things that should not last. */
export const leftovers = (cache: string): string[] =>
  filesBelow(cache).filter((file) => /incomplete|lock|tmp/.test(file));
