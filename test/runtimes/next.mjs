/**
 * Next.js with `turbopack` or `webpack`, and nothing configured: a component that classifies in the browser, and a route that
 * does on the server, which has the package no more when it starts.
 */
import { readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { check, EXPECTED, PICTURE, ROOT, watchThreads } from './support.mjs';

const bundler = process.argv[2];

/** A port that nobody has just now. */
const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

await check(`Next.js, ${bundler}`, async (project) => {
  project.copy('examples/next', '.');
  project.follow('Next.js', { leaveOut: bundler === 'webpack' ? /next build$/ : /--webpack/ });
  const traced = readFileSync(project.file('.next/server/app/api/classify/route.js.nft.json'), 'utf8');
  if (!/[^"]*\.safetensors"/.test(traced)) throw new Error('the weights are not traced');
  rmSync(project.file('node_modules/mobilenet-v2'), { recursive: true });

  const port = await freePort();
  const threads = watchThreads(project.path);
  const next = project.start('npx', ['next', 'start', '--hostname', '127.0.0.1', '--port', String(port)], threads);
  const origin = `http://127.0.0.1:${port}`;
  await project.answers(origin, next);

  const body = readFileSync(`${ROOT}examples/${PICTURE}`);
  for (let round = 0; round < 5; round++) {
    const response = await fetch(`${origin}/api/classify`, { method: 'POST', body });
    const [best] = await response.json();
    const onServer = `${best.label} ${best.score.toFixed(3)}`;
    if (onServer !== EXPECTED) throw new Error(`the server says ${onServer}`);
  }
  threads.check();

  const choose = (page) => page.locator('input').setInputFiles(`${ROOT}examples/${PICTURE}`);
  const { label, ms } = await project.open(`${origin}/`, choose);
  return { version: project.versionOf('next'), form: 'component in Chromium, route in Node', label, ms };
});
