/** Folders, pictures from paths and URLs, and files that appear whole or not at all. */
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { env } from '../../src/base/env.js';
import { SHIPPED } from '../../src/base/folder.js';
import { RawImage } from '../../src/images/raw-image.js';
import { openLocalFolder, readPicture, writeFolder } from '../../src/platforms/node/files.js';
import { nodePlatform } from '../../src/platforms/node/platform.js';
import { ReadingMemory } from '../../src/platforms/node/reading.js';
import { openShippedFolder } from '../../src/platforms/shipped.js';
import { webPlatform } from '../../src/platforms/web.js';
import { ROOT, temporaryFolder } from '../helpers/cli.js';
import { listenInTest } from '../helpers/loopback.js';
import { expectRefusal } from '../helpers/pictures.js';

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});

const LIMIT = 1000;

describe('openLocalFolder', () => {
  it('reads what is there and says undefined of what is not', async () => {
    writeFileSync(join(folder, 'config.json'), '{}');
    mkdirSync(join(folder, 'sub'));
    writeFileSync(join(folder, 'sub/a.bin'), 'a');
    const opened = await openLocalFolder(folder);
    expect(opened.name).toBe(folder);
    expect(Buffer.from((await opened.read('config.json'))!).toString()).toBe('{}');
    expect(Buffer.from((await opened.read('sub/a.bin'))!).toString()).toBe('a');
    expect(await opened.read('none.json')).toBeUndefined();
    expect(await opened.read('config.json/none')).toBeUndefined();
    expect(await opened.read('none/config.json')).toBeUndefined();
  });

  it('is refused where there is none', async () => {
    const none = await expectRefusal(() => openLocalFolder(join(folder, 'none')), 'NOT_FOUND', /no such folder/);
    expect(none.file).toBe(join(folder, 'none'));
    writeFileSync(join(folder, 'file'), '');
    await expectRefusal(() => openLocalFolder(join(folder, 'file')), 'NOT_FOUND', /got a file/);
  });

  it('follows links, as a cache of Hugging Face needs', async () => {
    mkdirSync(join(folder, 'blobs'));
    mkdirSync(join(folder, 'snapshots/1'), { recursive: true });
    writeFileSync(join(folder, 'blobs/abc'), 'weights');
    symlinkSync('../../blobs/abc', join(folder, 'snapshots/1/model.safetensors'));
    symlinkSync('loop', join(folder, 'snapshots/1/loop'));
    const snapshot = await openLocalFolder(join(folder, 'snapshots/1'));
    expect(Buffer.from((await snapshot.read('model.safetensors'))!).toString()).toBe('weights');
    await expectRefusal(() => snapshot.read('loop'), 'IO', /ELOOP/);
  });

  // Row S14: such names come from the index of a checkpoint.
  it('follows no link out of the folder for a name that is not our own, but for the blobs of a cache', async () => {
    const hash = 'ab'.repeat(32);
    for (const sub of ['blobs', 'model/parts', 'model-2']) mkdirSync(join(folder, sub), { recursive: true });
    for (const file of ['secret', 'model/inside', `blobs/${hash}`, 'model-2/beside'])
      writeFileSync(join(folder, file), file);
    const link = (name: string, target: string) => symlinkSync(target, join(folder, 'model', name));
    link('out.safetensors', '../secret');
    link('far.safetensors', join(folder, 'secret'));
    link('twice.safetensors', 'out.safetensors');
    link('beside.safetensors', '../model-2/beside');
    link('away', '..');
    link('in.safetensors', 'inside');
    link('blob.safetensors', `../blobs/${hash}`);
    const opened = await openLocalFolder(join(folder, 'model'));
    for (const name of ['out', 'far', 'twice', 'beside']) {
      const error = await expectRefusal(() => opened.read(`${name}.safetensors`), 'PATH_ESCAPE', /nothing was opened/);
      expect(error.file).toBe(join(folder, 'model', `${name}.safetensors`));
    }
    await expectRefusal(() => opened.read('away/secret'), 'PATH_ESCAPE', /nothing was opened/);
    expect(Buffer.from((await opened.read('in.safetensors'))!).toString()).toBe('model/inside');
    expect(Buffer.from((await opened.read('blob.safetensors'))!).toString()).toBe(`blobs/${hash}`);
    expect(await opened.read('none.safetensors')).toBeUndefined();
    // Also through a folder that is itself a link.
    symlinkSync('model', join(folder, 'alias'));
    const alias = await openLocalFolder(join(folder, 'alias'));
    expect(Buffer.from((await alias.read('in.safetensors'))!).toString()).toBe('model/inside');
    await expectRefusal(() => alias.read('out.safetensors'), 'PATH_ESCAPE');
  });

  it('follows a link for the file that was named, and says where another one leads', async () => {
    mkdirSync(join(folder, 'modèle'));
    writeFileSync(join(folder, 'poids'), 'weights');
    mkdirSync(join(folder, 'm'));
    symlinkSync('../poids', join(folder, 'm', 'mine.tflite'));
    symlinkSync('../modèle', join(folder, 'm', 'other.tflite'));
    const opened = await openLocalFolder(join(folder, 'm'), 'mine.tflite');
    expect(Buffer.from((await opened.read('mine.tflite'))!).toString()).toBe('weights');
    const error = await expectRefusal(() => opened.read('other.tflite'), 'PATH_ESCAPE');
    expect(error.message).toContain(`to "${join(realpathSync(folder), 'modèle')}"`);
  });

  it.each([
    '../x',
    'a/../../x',
    '/etc/passwd',
    '..',
    '.',
    '',
    'a//b',
    'a/',
    '\\x',
    '..\\x',
    'C:\\x',
    'c:x',
    'a\0b',
    './a',
  ])('opens nothing for the name %j', async (name) => {
    const opened = await openLocalFolder(folder);
    await expectRefusal(() => opened.read(name), 'PATH_ESCAPE', /nothing was opened/);
  });

  it('has errors of the system with their file', async () => {
    mkdirSync(join(folder, 'config.json'));
    const opened = await openLocalFolder(folder);
    const error = await expectRefusal(() => opened.read('config.json'), 'IO', /is a folder \(EISDIR\)/);
    expect(error.file).toBe(join(folder, 'config.json'));
  });

  it('has no permission where there is none', async () => {
    writeFileSync(join(folder, 'secret'), '');
    chmodSync(join(folder, 'secret'), 0);
    const opened = await openLocalFolder(folder);
    // Nothing is forbidden to root.
    if (process.getuid?.() === 0) expect(await opened.read('secret')).toHaveLength(0);
    else await expectRefusal(() => opened.read('secret'), 'IO', /no permission/);
  });

  it('can be aborted', async () => {
    writeFileSync(join(folder, 'a'), '');
    const opened = await openLocalFolder(folder);
    await expect(opened.read('a', AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
  });

  it.each(Object.values(SHIPPED))('of the package: %s', async (name) => {
    const shipped = await openShippedFolder(name);
    expect(await shipped.read('config.json')).toBeDefined();
    expect(realpathSync(shipped.name)).toBe(realpathSync(join(ROOT, 'weights', name)));
  });
});

describe('readPicture from files', () => {
  it('reads one file after another into the same memory, whatever their sizes', async () => {
    const memory = new ReadingMemory();
    const buffers = new Set<ArrayBufferLike>();
    for (const size of [900, 3, 0, 1000, 900]) {
      const path = join(folder, `${size}.bin`);
      const wanted = Buffer.alloc(size, size % 251);
      writeFileSync(path, wanted);
      const bytes = await readPicture(path, LIMIT, undefined, memory);
      expect(Buffer.compare(bytes, wanted)).toBe(0);
      if (size > 0) buffers.add(bytes.buffer);
    }
    expect(buffers.size).toBe(1); // all are smaller than what is read at a time
  });

  it('takes paths and file: URLs, odd names too', async () => {
    const path = join(folder, 'two\nlines %20 #1.png');
    writeFileSync(path, 'abc');
    expect(Buffer.from(await readPicture(path, LIMIT)).toString()).toBe('abc');
    expect(Buffer.from(await readPicture(pathToFileURL(path).href, LIMIT)).toString()).toBe('abc');
  });

  it('refuses what is not a file', async () => {
    const error = await expectRefusal(() => readPicture(join(folder, 'none.png'), LIMIT), 'NOT_FOUND', /no such file/);
    expect(error.file).toBe(join(folder, 'none.png'));
    await expectRefusal(() => readPicture(folder, LIMIT), 'IO', /got a folder/);
    await expectRefusal(() => readPicture('', LIMIT), 'NOT_FOUND');
    await expectRefusal(() => readPicture('file://elsewhere/x.png', LIMIT), 'ARG');
    await expectRefusal(() => readPicture('a\0b', LIMIT), 'ARG');
    symlinkSync('nowhere', join(folder, 'link.png'));
    await expectRefusal(() => readPicture(join(folder, 'link.png'), LIMIT), 'NOT_FOUND');
  });

  it('stops at the limit', async () => {
    const path = join(folder, 'large');
    writeFileSync(path, new Uint8Array(LIMIT));
    expect(await readPicture(path, LIMIT)).toHaveLength(LIMIT);
    await expectRefusal(() => readPicture(path, LIMIT - 1), 'LIMIT', /env\.limits\.imageBytes/);
    // A device has no size, but it has an end all the same.
    if (process.platform !== 'win32') await expectRefusal(() => readPicture('/dev/zero', LIMIT), 'LIMIT');
  });

  it('takes data: URLs and shortens them in messages', async () => {
    expect(Buffer.from(await readPicture(`data:;base64,${btoa('abc')}`, LIMIT)).toString()).toBe('abc');
    const error = await expectRefusal(() => readPicture(`data:;base64,${'A'.repeat(4000)}`, LIMIT), 'LIMIT');
    expect(error.file!.length).toBeLessThan(300);
  });
});

/** A server on this computer; the answer to every path is `handler`'s. */
async function serve(handler: (path: string, response: ServerResponse) => void): Promise<string> {
  const server = createServer((request, response) => handler(request.url!, response));
  return `${(await listenInTest(server)).origin}/`;
}

const files: Record<string, (response: ServerResponse) => void> = {
  '/cat.png': (response) => response.end('abc'),
  '/folder/config.json': (response) => response.end('{}'),
  '/long': (response) => response.end(Buffer.alloc(LIMIT + 1)),
  '/endless': (response) => {
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(10_000)));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  },
  '/cut': (response) => {
    response.writeHead(200, { 'content-length': '10' });
    response.write('abc');
    setTimeout(() => response.destroy(), 20);
  },
  '/announced': (response) => {
    response.writeHead(200, { 'content-length': String(LIMIT + 1) });
    response.write('abc'); // and no more: who waits for the rest never hears of the limit
  },
  '/loop': (response) => response.writeHead(302, { location: '/loop' }).end(),
  '/forbidden': (response) => response.writeHead(403).end(),
  '/broken': (response) => response.writeHead(500).end(),
  '/folder/page.json': (response) =>
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<html>'),
};
const answer = (path: string, response: ServerResponse) =>
  files[path] ? files[path](response) : response.writeHead(404).end();

const readers = { 'in Node': readPicture, 'in a browser': webPlatform.readFile! };

describe.each(Object.entries(readers))('a picture by URL %s', (_, read) => {
  it('is read', async () => {
    const base = await serve(answer);
    expect(Buffer.from(await read(`${base}cat.png`, LIMIT)).toString()).toBe('abc');
  });

  it.each([
    ['none.png', 'NOT_FOUND', /404/],
    ['forbidden', 'IO', /403/],
    ['broken', 'IO', /500/],
    ['long', 'LIMIT', /imageBytes/],
    ['endless', 'LIMIT', /imageBytes/],
    ['announced', 'LIMIT', /imageBytes/],
    ['loop', 'IO', /redirect|fetch failed/],
  ] as const)('%s is %s', async (path, code, message) => {
    const base = await serve(answer);
    const error = await expectRefusal(() => read(base + path, LIMIT), code, message);
    expect(error.file).toBe(base + path);
  });

  it('from nowhere is IO', async () => {
    await expectRefusal(() => read('http://127.0.0.1:1/x.png', LIMIT), 'IO', /127\.0\.0\.1/);
  });

  it('that breaks off is IO', async () => {
    const base = await serve(answer);
    await expectRefusal(() => read(`${base}cut`, LIMIT), 'IO');
  });

  it.each(['silent', 'endless'])('%s is given up with the signal, and so is its request', async (path) => {
    let asked!: () => void;
    const begun = new Promise<void>((resolve) => {
      asked = resolve;
    });
    let closed!: () => void;
    const ended = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const base = await serve((_, response) => {
      response.on('close', closed);
      response.writeHead(200);
      response.write('a');
      if (path === 'endless') files['/endless'](response);
      asked();
    });
    const stop = new AbortController();
    const reason = new Error('enough');
    const reading = RawImage.read(`${base}${path}`, { signal: stop.signal });
    const outcome = expect(reading).rejects.toBe(reason);
    await begun;
    stop.abort(reason);
    await outcome;
    await ended;
    await expect(read(`${base}${path}`, LIMIT, AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  it('is shortened in messages', async () => {
    const base = await serve(answer);
    const error = await expectRefusal(() => read(`${base}none.png?${'a'.repeat(3000)}`, LIMIT), 'NOT_FOUND', /404/);
    expect(error.file).toHaveLength(201);
    expect(error.message).toContain(`${base}none.png?aaa`);
  });
});

describe('a folder by URL', () => {
  it('has files, and undefined where the server has none', async () => {
    const opened = await webPlatform.openFolder!(`${await serve(answer)}folder`);
    expect(Buffer.from((await opened.read('config.json'))!).toString()).toBe('{}');
    expect(await opened.read('model.safetensors')).toBeUndefined();
    // The page of an application in place of a file.
    expect(await opened.read('page.json')).toBeUndefined();
  });

  it('is not left', async () => {
    const opened = await webPlatform.openFolder!(`${await serve(answer)}folder/`);
    for (const name of ['../cat.png', '/cat.png', 'http://127.0.0.1:1/x']) {
      await expectRefusal(() => opened.read(name), 'PATH_ESCAPE');
    }
  });

  it('can be aborted, and must be a URL', async () => {
    const opened = await webPlatform.openFolder!(`${await serve(answer)}folder`);
    await expect(opened.read('config.json', AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
    const error = await expectRefusal(() => webPlatform.openFolder!('no url'), 'ARG', /URL/);
    expect(error.file).toMatch(/^no url/);
    expect(error.cause).toBeInstanceOf(TypeError);
  });

  it('with the name of a model has its config.json asked for, whose answer may have no body', async () => {
    const asked: string[] = [];
    env.platform = {
      ...webPlatform,
      async fetch(url) {
        asked.push(String(url));
        return String(url).endsWith('/config.json') ? new Response(null) : new Response(null, { status: 404 });
      },
    };
    onTestFinished(() => {
      env.platform = nodePlatform;
    });
    vi.stubGlobal('location', { href: 'http://page.test/' });
    onTestFinished(() => void vi.unstubAllGlobals());
    const opened = await webPlatform.openFolder!('org/name');
    expect(await opened.read('preprocessor_config.json')).toBeUndefined();
    const base = 'http://page.test/org/name';
    expect(asked).toEqual([`${base}/preprocessor_config.json`, `${base}/config.json`]);
  });
});

describe('writeFolder', () => {
  const content = (...names: string[]) => new Map(names.map((name) => [name, Buffer.from(name)]));

  it('makes the folder and writes all files, over earlier ones', async () => {
    const target = join(folder, 'a/b');
    await writeFolder(target, content('config.json', 'model.safetensors'));
    await writeFolder(target, new Map([['config.json', Buffer.from('new')]]));
    expect(readdirSync(target).sort()).toEqual(['config.json', 'model.safetensors']);
    expect(readFileSync(join(target, 'config.json'), 'utf8')).toBe('new');
  });

  it('replaces a link and not what it leads to', async () => {
    writeFileSync(join(folder, 'blob'), 'old');
    symlinkSync('blob', join(folder, 'config.json'));
    await writeFolder(folder, content('config.json'));
    expect(readFileSync(join(folder, 'blob'), 'utf8')).toBe('old');
    expect(readFileSync(join(folder, 'config.json'), 'utf8')).toBe('config.json');
  });

  it('takes the first file back where the second has no place', async () => {
    writeFileSync(join(folder, 'config.json'), 'old');
    chmodSync(join(folder, 'config.json'), 0o600);
    mkdirSync(join(folder, 'model.safetensors'));
    const files = new Map(['config.json', 'extra', 'model.safetensors'].map((name) => [name, new Uint8Array(9)]));
    await expectRefusal(() => writeFolder(folder, files), 'IO');
    expect(readdirSync(folder).sort()).toEqual(['config.json', 'model.safetensors']);
    expect(readFileSync(join(folder, 'config.json'), 'utf8')).toBe('old');
    expect(statSync(join(folder, 'config.json')).mode & 0o777).toBe(0o600);
  });

  it('leaves nothing of its own behind when it fails', async () => {
    mkdirSync(join(folder, 'b'));
    await expectRefusal(() => writeFolder(folder, content('a', 'b')), 'IO');
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    writeFileSync(join(folder, 'file'), 'old');
    await expectRefusal(() => writeFolder(join(folder, 'file'), content('a')), 'IO');
    await expectRefusal(() => writeFolder(folder, content('c', 'x'.repeat(300))), 'IO', /too long/);
    expect(readdirSync(folder).sort()).toEqual(['b', 'file']); // all or none
    expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('old');
  });

  it.each(['../a', '/a', 'a/b', 'a\\b', '..', ''])('writes nothing for the name %j', async (name) => {
    await expectRefusal(() => writeFolder(join(folder, 'new'), content('good', name)), 'PATH_ESCAPE');
    expect(readdirSync(folder)).toEqual([]);
  });
});
