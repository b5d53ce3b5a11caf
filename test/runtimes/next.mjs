/** Next.js: its build, a component that classifies in the browser, and a route that does on the server. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { check, EXPECTED, PICTURE, ROOT } from './support.mjs';

/** A port that nobody has just now. */
const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

await check('Next.js', async (project) => {
  project.copy('examples/next', '.');
  project.follow('Next.js');
  const port = await freePort();
  const next = project.start('npx', ['next', 'start', '--hostname', '127.0.0.1', '--port', String(port)]);
  const origin = `http://127.0.0.1:${port}`;
  await project.answers(origin, next);

  const body = readFileSync(`${ROOT}examples/${PICTURE}`);
  const response = await fetch(`${origin}/api/classify`, { method: 'POST', body });
  const [best] = await response.json();
  const onServer = `${best.label} ${best.score.toFixed(3)}`;
  if (onServer !== EXPECTED) throw new Error(`the server says ${onServer}`);

  const choose = (page) => page.locator('input').setInputFiles(`${ROOT}examples/${PICTURE}`);
  const { label, ms } = await project.open(`${origin}/`, choose);
  return { version: project.versionOf('next'), form: 'component in Chromium, route in Node', label, ms };
});
