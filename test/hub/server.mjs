/**
 * A hub on this computer, as the real one behaves: small files come at once, with git's hash as their ETag; large ones are
 * a redirect, which carries hash and size, to another host that knows nothing but bytes. Plain JavaScript, as the script
 * that kills processes uses it as well. Declarations are in server.d.mts.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const gitHash = (bytes) => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
const isLarge = (file) => /\.(safetensors|bin)$/.test(file);

/** The checkpoint of examples/dogs. */
export function dogsFiles() {
  const folder = fileURLToPath(new URL('../../examples/dogs/', import.meta.url));
  return Object.fromEntries(readdirSync(folder).map((file) => [file, readFileSync(folder + file)]));
}

export const COMMIT = 'a'.repeat(40);

export async function startHub({ repos = { 'org/dogs': dogsFiles() } } = {}) {
  const hub = {
    /** { 'org/name': { file: bytes } } */
    repos,
    /** Of a revision: its commit, and for pull requests the files. */
    revisions: { main: { commit: COMMIT } },
    discussions: [],
    /** Models that only this token may read. */
    secret: undefined,
    /** Called for every request; what returns true has answered by itself. */
    fault: undefined,
    /** Bytes a second of the second host; as fast as can be when undefined. */
    rate: undefined,
    requests: [],
  };
  const large = new Map();
  const cors = {
    'access-control-allow-origin': '*',
    'access-control-allow-headers': '*',
    'access-control-expose-headers': '*',
  };

  const front = createServer(async (request, response) => {
    for (const [name, value] of Object.entries(cors)) response.setHeader(name, value);
    if (request.method === 'OPTIONS') return response.writeHead(204).end();
    const url = new URL(request.url, 'http://hub');
    const asked = note('hub', request, url);
    if (await hub.fault?.(asked, request, response)) return;
    const [, api, repo, rest = ''] = /^\/(api\/models\/)?([^/]+\/[^/]+)(?:\/(.*))?$/.exec(url.pathname) ?? [];
    const fail = (status, code, message = code) =>
      response
        .writeHead(status, { 'x-error-code': code, 'x-error-message': message, 'content-type': 'text/plain' })
        .end(message);
    if (repo === undefined) return fail(404, 'RepoNotFound');
    if (hub.secret !== undefined && request.headers.authorization !== `Bearer ${hub.secret}`) {
      return request.headers.authorization === undefined
        ? fail(401, 'GatedRepo', 'Access to this model is restricted')
        : fail(403, 'GatedRepo', 'Not in the authorized list');
    }
    if (hub.repos[repo] === undefined) return fail(401, 'RepoNotFound', 'Repository not found');
    const [, kind, name, file = ''] = /^(resolve|revision|tree|discussions)(?:\/([^/]+))?(?:\/(.*))?$/.exec(rest) ?? [];
    if (api !== undefined && kind === 'discussions') return json(response, { discussions: hub.discussions });
    const revision = decodeURIComponent(name ?? 'main');
    const found = hub.revisions[revision] ?? Object.values(hub.revisions).find(({ commit }) => commit === revision);
    if (found === undefined) return fail(404, 'RevisionNotFound');
    const files = found.files ?? hub.repos[repo];
    if (api !== undefined) return describe(response, repo, found.commit, files, kind);
    response.setHeader('x-repo-commit', found.commit);
    const path = file.split('/').map(decodeURIComponent).join('/');
    const bytes = files[path];
    if (bytes === undefined) return fail(404, 'EntryNotFound');
    if (!isLarge(path)) return send(request, response, bytes, { etag: `"${gitHash(bytes)}"`, ranges: false });
    const hash = sha256(bytes);
    large.set(hash, bytes);
    response.writeHead(302, {
      location: `${hub.second}/blobs/${hash}?X-Amz-Signature=secret-signature`,
      'x-linked-etag': `"${hash}"`,
      'x-linked-size': bytes.length,
    });
    response.end();
  });

  const back = createServer(async (request, response) => {
    for (const [name, value] of Object.entries(cors)) response.setHeader(name, value);
    if (request.method === 'OPTIONS') return response.writeHead(204).end();
    const url = new URL(request.url, 'http://second');
    const asked = note('second', request, url);
    if (await hub.fault?.(asked, request, response)) return;
    const bytes = large.get(url.pathname.split('/')[2]);
    if (bytes === undefined) return response.writeHead(404).end();
    return send(request, response, bytes, { etag: '"0123-4"', ranges: true });
  });

  function note(host, { method, headers }, url) {
    const asked = { host, method, path: url.pathname, authorization: headers.authorization, range: headers.range };
    asked.earlier = hub.requests.filter((other) => other.host === host && other.path === asked.path).length;
    hub.requests.push(asked);
    return asked;
  }

  function describe(response, repo, commit, files, kind) {
    const entries = Object.entries(files).map(([file, bytes]) => ({ file, bytes, hash: sha256(bytes) }));
    if (kind === 'tree') {
      return json(
        response,
        entries.map(({ file, bytes, hash }) => ({
          type: 'file',
          path: file,
          size: bytes.length,
          oid: gitHash(bytes),
          ...(isLarge(file) && { lfs: { oid: hash, size: bytes.length, pointerSize: 134 } }),
        })),
      );
    }
    const siblings = entries.map(({ file, bytes, hash }) => ({
      rfilename: file,
      size: bytes.length,
      blobId: gitHash(bytes),
      ...(isLarge(file) && { lfs: { sha256: hash, size: bytes.length, pointerSize: 134 } }),
    }));
    return json(response, { id: repo, modelId: repo, sha: commit, private: false, siblings, tags: [] });
  }

  function json(response, value) {
    response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' });
    response.end(JSON.stringify(value));
  }

  async function send(request, response, bytes, { etag, ranges }) {
    const [, from] = (ranges && /^bytes=(\d+)-$/.exec(request.headers.range ?? '')) || [];
    const start = Number(from ?? 0);
    if (start > 0 && start >= bytes.length) return response.writeHead(416).end();
    const body = bytes.subarray(start);
    response.writeHead(from === undefined ? 200 : 206, {
      etag,
      'content-type': 'application/octet-stream',
      'content-length': body.length,
      ...(from !== undefined && { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
    });
    if (request.method === 'HEAD') return response.end();
    if (hub.rate === undefined || !ranges) return response.end(body);
    const step = Math.ceil(hub.rate / 100);
    for (let at = 0; at < body.length && !response.destroyed; at += step) {
      response.write(body.subarray(at, at + step));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    response.end();
  }

  const listen = (server, address) =>
    new Promise((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve(`http://${address}:${server.address().port}`)),
    );
  // Two names of this computer are two hosts.
  hub.endpoint = await listen(front, '127.0.0.1');
  hub.second = await listen(back, 'localhost');
  hub.close = async () => {
    for (const server of [front, back]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  };
  return hub;
}
