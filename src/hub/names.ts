/** Names on a hub, checked before any request: of models, revisions and files. */
import { env } from '../base/env.js';
import { expected, MobileNetError, show } from '../base/errors.js';
import type { HubOptions } from '../base/hub-options.js';

/** As huggingface_hub's validate_repo_id has it: at most 96 characters, no `--`, `..` or `.git` at the end. */
const NAME = /^(?=.{1,96}$)(?!.*(--|\.\.))[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?$/;
const isName = (text: string): boolean => NAME.test(text) && !text.endsWith('.git');

/** @throws MobileNetError ARG unless it is a name of a model on the hub */
export function checkModelName(repo: unknown): asserts repo is string {
  const parts = typeof repo === 'string' ? repo.split('/') : [];
  if (parts.length >= 1 && parts.length <= 2 && parts.every(isName)) return;
  throw new MobileNetError('ARG', `expected the name of a model on the hub, such as org/name, got ${show(repo)}`);
}

/** A branch, a tag, a commit, `refs/pr/3`. It becomes a path in the cache. @throws MobileNetError ARG */
export function checkRevision(revision: unknown): asserts revision is string {
  if (typeof revision === 'string' && revision.length <= 250 && revision.split('/').every((part) => REF.test(part)))
    return;
  throw expected('revision', 'a branch, tag or commit', revision);
}
const REF = /^(?!\.)[\w.+@#=-]+(?<!\.|\.lock)$/;

/** @throws MobileNetError PATH_ESCAPE unless it is a plain relative path */
export function checkFile(file: unknown): asserts file is string {
  if (typeof file === 'string' && file.length <= 1000 && file.split('/').every((part) => PART.test(part))) return;
  throw new MobileNetError(
    'PATH_ESCAPE',
    `expected the name of a file in a model, got ${show(file)}; nothing was asked for`,
  );
}
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const PART = /^(?!\.{1,2}$)[^\\:\0-\x1f\x7f]{1,255}$/;

/**
 * Files whose absence means no more than that there are others to ask for. Where nobody can be asked, a folder of the hub
 * does not know whether there is a file; of these it says no, of all others it throws OFFLINE.
 */
export const isOptional = (file: string): boolean =>
  /(^|\/)(model\.safetensors|model\.safetensors\.index\.json|pytorch_model\.bin)$/.test(file);

export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);

/** Which model, of which hub, and as whom it is asked for. */
export interface Remote {
  readonly repo: string;
  readonly host: URL;
  readonly token: string | undefined;
}

/** @throws MobileNetError ARG; its message repeats neither token nor URL, which may hold a password */
export function makeRemote(repo: unknown, host: string, token: string | undefined): Remote {
  checkModelName(repo);
  const url = URL.canParse(host) ? new URL(host.endsWith('/') ? host : `${host}/`) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new MobileNetError(
      'ARG',
      'the hub (env.remoteHost, HF_ENDPOINT): expected an http(s) URL without a password',
    );
  }
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw new MobileNetError('ARG', 'token: expected printable characters without spaces');
  }
  return { repo, host: url, token };
}

export function fileUrl({ repo, host }: Remote, file: string, revision: string): URL {
  const folder = env.remotePathTemplate
    .replaceAll('{model}', repo)
    .replaceAll('{revision}', encodeURIComponent(revision));
  const path = file.split('/').map(encodeURIComponent).join('/');
  return new URL(`${folder.replace(/\/?$/, '/')}${path}`, host);
}

/** A model, and where in it, as a URL of the hub says it. */
export interface HubPlace {
  repo: string;
  revision?: string;
  subfolder?: string;
}

const HOSTS = ['huggingface.co', 'www.huggingface.co', 'hf.co'];

/**
 * What a pasted address of the hub names: a model's page, a folder (`/tree/main/…`), or a file (`/blob/…`, `/resolve/…`), for
 * which its folder stands.
 * @param host of another hub, a mirror
 * @throws MobileNetError ARG for the address of a dataset or space
 */
export function hubPlace(text: string, host: string): HubPlace | undefined {
  const [, scheme, server = '', rest = ''] = /^(?:(https?|hf):\/\/)?([^/?#]+)\/([^?#]*)/i.exec(text) ?? [];
  const isHf = scheme?.toLowerCase() === 'hf';
  const own = URL.canParse(host) ? new URL(host).host : '';
  if (!isHf && !HOSTS.includes(server.toLowerCase()) && (scheme === undefined || server !== own)) return undefined;
  const parts = (isHf ? `${server}/${rest}` : rest).split('/').filter((part) => part !== '');
  if (/^(?:datasets|spaces)$/.test(parts[0] ?? '')) {
    throw new MobileNetError(
      'ARG',
      `model: ${show(text)} is one of the hub's ${parts[0]}, not a model; expected org/name`,
    );
  }
  if (parts[0] === 'models') parts.shift();
  const [org, nameAndRevision = '', kind = '', ...path] = parts;
  const [name, at] = nameAndRevision.split('@');
  if (!isName(org ?? '') || !isName(name)) return undefined;
  const repo = `${org}/${name}`;
  if (!/^(?:tree|blob|resolve|raw|commit)$/.test(kind) || path.length === 0)
    return { repo, ...(at && { revision: at }) };
  // The hub writes refs/pr/3 as refs%2Fpr%2F3; people do not.
  const revision = path[0] === 'refs' ? path.splice(0, 3).join('/') : decoded(path.shift()!);
  if (kind !== 'tree') path.pop();
  const subfolder = path.map(decoded).join('/');
  return { repo, revision, ...(subfolder !== '' && { subfolder }) };
}

/** The options of a call with what the address adds. The call's come first; its subfolder lies in that of the address. */
export function placed<Options extends HubOptions>(place: HubPlace, options: Options): Options {
  const said = Object.entries(options).filter(([, value]) => value !== undefined);
  const subfolder = [place.subfolder, options.subfolder].filter(Boolean).join('/');
  const { revision } = place;
  return { ...(revision && { revision }), ...Object.fromEntries(said), ...(subfolder && { subfolder }) } as Options;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
