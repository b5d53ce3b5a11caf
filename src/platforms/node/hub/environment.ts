/** What the environment says of the hub: the variables of Python's huggingface_hub, read when they are needed. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { checkObject, checkText } from '../../../base/check.js';
import { env } from '../../../base/env.js';
import { MobileNetError } from '../../../base/errors.js';
import type { HubOptions } from '../../../base/hub-options.js';
import { readSmall } from '../reading.js';

const variable = (...names: string[]): string | undefined =>
  names.map((name) => process.env[name]).find((value) => value !== undefined && value !== '');

const isTrue = (value = ''): boolean => /^(1|on|yes|true)$/i.test(value);

/** `~` and `$NAME` as a shell would have them. */
const path = (text: string): string =>
  resolve(
    text.replace(/^~(?=$|[/\\])/, homedir()).replace(/\$(\w+)|\$\{(\w+)\}/g, (all, a, b) => process.env[a ?? b] ?? all),
  );

function home(): string {
  const given = variable('HF_HOME');
  return given === undefined ? join(path(variable('XDG_CACHE_HOME') ?? '~/.cache'), 'huggingface') : path(given);
}

/** Where files are kept. */
export function cacheFolder(options: HubOptions = {}): string {
  checkObject(options, 'options', 'an object of options');
  const given = options.cache_dir ?? env.cacheDir ?? variable('HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE');
  if (given === undefined) return join(home(), 'hub');
  checkText(given, 'cache_dir');
  return path(given);
}

export function endpoint(): string {
  return env.remoteHost ?? variable('HF_ENDPOINT') ?? 'https://huggingface.co/';
}

/** Why no request may be sent; undefined where they are allowed. */
export function whyOffline({ local_files_only }: HubOptions): string | undefined {
  if (local_files_only) return 'local_files_only is set';
  if (!env.allowRemoteModels) return 'env.allowRemoteModels is false';
  const name = ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'].find((each) => isTrue(process.env[each]));
  return name && `${name} is set`;
}

/** @throws MobileNetError AUTH when a token is demanded and there is none */
export function tokenOf({ token }: HubOptions): string | undefined {
  if (typeof token === 'string') return token;
  if (token === false || (token === undefined && isTrue(process.env.HF_HUB_DISABLE_IMPLICIT_TOKEN))) return undefined;
  const found = variable('HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN')?.trim() || storedToken();
  if (found) return found;
  if (token === true)
    throw new MobileNetError('AUTH', 'token: expected one, found none; set HF_TOKEN, or log in with hf auth login');
  return undefined;
}

/** Bytes of a file with a token, which takes 37. */
const LONGEST_TOKEN = 4096;

/** What `hf auth login` has stored. */
function storedToken(): string | undefined {
  try {
    return readSmall(path(variable('HF_TOKEN_PATH') ?? join(home(), 'token')), LONGEST_TOKEN)?.trim();
  } catch {
    return undefined;
  }
}
