/** The server as a whole, without a socket: pictures in forms, and what it says of what it cannot read. */
import { readFileSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';
import { pipeline } from 'mobilenet-v2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildApp } from '../src/http/app.js';
import { WorkerPool } from '../src/workers/pool.js';
import { form } from './helpers/form.js';

const ROOT = new URL('../../../', import.meta.url);
const dog = readFileSync(new URL('examples/dog.jpg', ROOT));
const coffee = readFileSync(new URL('examples/coffee.jpg', ROOT));

let pool: WorkerPool;
let app: FastifyInstance;

beforeAll(async () => {
  pool = await WorkerPool.start({ workers: 1 });
  app = await buildApp({ pool });
});
afterAll(async () => {
  await app.close();
  await pool.close();
});

describe('/classify', () => {
  it('names what is in pictures, in the order of the form', async () => {
    const reply = await app.inject({
      method: 'POST',
      url: '/classify?top_k=1',
      ...form({ 'dog.jpg': dog, 'coffee.jpg': coffee }),
    });
    expect(reply.statusCode).toBe(200);
    const answers = reply.json();
    expect(answers.map(({ file }: { file: string }) => file)).toEqual(['dog.jpg', 'coffee.jpg']);
    expect(answers[0].labels[0].label).toMatch(/^malamute/);
    expect(answers[1].labels[0].label).toBe('espresso');
    expect(answers[1].labels[0].score).toBeCloseTo(0.9777, 3);
  });

  it('says which file is no picture', async () => {
    const reply = await app.inject({ method: 'POST', url: '/classify', ...form({ 'a.txt': Buffer.from('hello') }) });
    expect(reply.statusCode).toBe(415);
    expect(reply.json()).toEqual({ error: expect.stringContaining('a.txt: ') });
  });
});

describe('/features', () => {
  it('gives what the classifier reads', async () => {
    const reply = await app.inject({ method: 'POST', url: '/features', ...form({ 'dog.jpg': dog }) });
    const [{ file, features }] = reply.json();
    const extract = await pipeline('image-feature-extraction', null, { threads: 1 });
    const { data } = await extract(dog);
    extract.dispose();
    expect(file).toBe('dog.jpg');
    expect(features).toEqual(Array.from(data));
  });
});

describe('a picture with more pixels than may be', () => {
  it('is 413', async () => {
    const small = await WorkerPool.start({ workers: 1, pixels: 100_000 });
    const other = await buildApp({ pool: small });
    const reply = await other.inject({ method: 'POST', url: '/classify', ...form({ 'dog.jpg': dog }) });
    await other.close();
    await small.close();
    expect(reply.statusCode).toBe(413);
    expect(reply.json().error).toContain('dog.jpg: ');
  });
});
