/** `mobilenet-v2-server` as a process: its flags, its first words, its end. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';

const BIN = fileURLToPath(new URL('../dist/bin/serve.js', import.meta.url));
const dog = readFileSync(new URL('../../../examples/dog.jpg', import.meta.url));

const environment = (more: Record<string, string> = {}) => ({ PATH: process.env.PATH, ...more });
const refused = (...flags: string[]) => {
  const { status, stderr } = spawnSync(process.execPath, [BIN, ...flags], { encoding: 'utf8', env: environment() });
  return [status, stderr.trim()];
};

let child: ChildProcess;
afterEach(() => child?.kill('SIGKILL'));

/** Starts it on a port that is free, and waits until it listens. */
async function start(flags: string[], more?: Record<string, string>): Promise<{ url: string; lines: string[] }> {
  child = spawn(process.execPath, [BIN, '--port', '0', '--workers', '1', ...flags], { env: environment(more) });
  const lines: string[] = [];
  const url = await new Promise<string>((resolve) => {
    createInterface(child.stdout!).on('line', (line) => {
      lines.push(line);
      const found = /Server listening at ([^"]+)/.exec(line);
      if (found) resolve(found[1]);
    });
  });
  return { url, lines };
}

it('both programs can be started by their names, in a clone too', () => {
  const { bin, version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  expect(Object.keys(bin).sort()).toEqual(['mobilenet-v2-batch', 'mobilenet-v2-server']);
  for (const file of Object.values<string>(bin)) {
    const program = fileURLToPath(new URL(`../${file}`, import.meta.url));
    accessSync(program, constants.X_OK);
    expect(spawnSync(process.execPath, [program, '--version'], { encoding: 'utf8' }).stdout).toBe(`${version}\n`);
  }
  // `npm ci` links what the lock file says, and reads no other.
  const lock = JSON.parse(readFileSync(new URL('../../../package-lock.json', import.meta.url), 'utf8'));
  expect(lock.packages['packages/server'].bin).toEqual(bin);
});

describe('mobilenet-v2-server', () => {
  it.each([
    [['--port', '70000'], 'whole number from 0 to 65535'],
    [['--workers', 'many'], 'whole number from 1'],
    [['--deadline', '-1'], 'Expected seconds'],
    [['--model', 'a b'], 'expected name=where'],
    [['--model', 'a,task=segment', '--model', 'a'], 'the name is there twice'],
    [['--model', 'a=./no/such/folder'], 'no/such/folder'],
    [['--nothing'], "unknown option '--nothing'"],
  ])('refuses %j in a line', (flags, why) => {
    const [status, text] = refused(...flags);
    expect(status).toBe(1);
    expect(text).toContain(why);
    expect(text).not.toMatch(/^ {4}at /m);
  });

  it('shows defaults in the units of its flags', () => {
    const { stdout } = spawnSync(process.execPath, [BIN, '--help'], { encoding: 'utf8', env: environment() });
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(
      '--deadline <seconds> how long a request may wait for a worker (default: 10)',
    );
  });

  it('asks for the token of its environment, logs a line for each answer, and ends with 0', async () => {
    const { url, lines } = await start([], { MOBILENET_V2_TOKEN: 'secret' });
    expect(new URL(url).hostname).toBe('127.0.0.1');
    const post = (headers: Record<string, string>) => {
      const body = new FormData();
      body.append('file', new Blob([dog]), 'secret-name.jpg');
      return fetch(`${url}/classify?top_k=1`, { method: 'POST', body, headers });
    };
    expect((await post({})).status).toBe(401);
    const accepted = post({ authorization: 'Bearer secret', 'x-request-id': 'first' });
    const answer = await accepted;
    expect(await answer.json()).toMatchObject([{ labels: [{ label: expect.stringContaining('malamute') }] }]);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    child.kill('SIGTERM');
    expect((await once(child, 'close'))[0]).toBe(0);
    const answered = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'answered');
    expect(answered.map(({ path, status }) => [path, status])).toEqual([
      ['/classify', 401],
      ['/classify', 200],
    ]);
    expect(answered[1]).toMatchObject({ reqId: 'first', method: 'POST', ms: expect.any(Number) });
    // Neither what a picture is called nor what is in it.
    expect(lines.join('\n')).not.toMatch(/secret|malamute/);
  });

  it('asks the paths of Vertex AI', async () => {
    const { url } = await start([], { AIP_HEALTH_ROUTE: '/v1/endpoints/1/health', AIP_PREDICT_ROUTE: '/predict' });
    expect((await fetch(`${url}/v1/endpoints/1/health`)).status).toBe(200);
    const instances = [{ b64: dog.toString('base64') }];
    const answer = await fetch(`${url}/predict`, { method: 'POST', body: JSON.stringify({ instances }) });
    expect(await answer.json()).toMatchObject({
      predictions: [{ classes: expect.arrayContaining([expect.stringContaining('malamute')]) }],
    });
  });
});
