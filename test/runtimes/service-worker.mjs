/** A service worker that answers requests of its pages: createImageBitmap, no DOM, no later import. */
import { check } from './support.mjs';

await check('service worker', async (project) => {
  project.copy('examples/service-worker', '.');
  project.follow('Service worker');
  const { origin, codeBytes } = await project.serve('.');
  const { label, ms, version } = await project.open(`${origin}/`);
  return { version: `Chromium ${version}`, form: 'one bundled file', label, ms, bytes: codeBytes() };
});
