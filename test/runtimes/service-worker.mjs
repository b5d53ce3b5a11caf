/** A service worker that answers requests of its pages: createImageBitmap, no DOM, no later import. */
import { check, PICTURE } from './support.mjs';

await check('service worker', async (project) => {
  project.install('esbuild');
  project.copy('examples/service-worker', 'site');
  const bundled = ['--bundle', '--minify', '--format=esm', '--outfile=site/service-worker.js', '--allow-overwrite'];
  project.tool('esbuild', ['site/service-worker.js', ...bundled]);
  project.copyWeights('site/model');
  project.copy(`examples/${PICTURE}`, `site/${PICTURE}`);
  const { origin, codeBytes } = await project.serve('site');
  const { label, ms, version } = await project.open(`${origin}/`);
  return { version: `Chromium ${version}`, form: 'one bundled file', label, ms, bytes: codeBytes() };
});
