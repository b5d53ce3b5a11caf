/** Vite's build of a React component with a worker, and nothing configured. */
import { check, PICTURE, ROOT } from './support.mjs';

await check('Vite', async (project) => {
  project.copy('examples/vite-react', '.');
  project.follow('Vite');
  const { origin, codeBytes } = await project.serve('dist');
  const choose = (page) => page.locator('input').setInputFiles(`${ROOT}examples/${PICTURE}`);
  const { label, ms } = await project.open(`${origin}/`, choose);
  return { version: project.versionOf('vite'), form: 'build, React, in a worker', label, ms, bytes: codeBytes() };
});
