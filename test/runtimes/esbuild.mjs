/** A page bundled by esbuild, served, and opened in Chromium. */
import { check, PICTURE } from './support.mjs';

await check('esbuild', async (project) => {
  project.install('esbuild');
  project.copy('examples/extension', 'site');
  project.tool('esbuild', [
    'site/popup.js',
    '--bundle',
    '--minify',
    '--format=esm',
    '--outfile=site/popup.js',
    '--allow-overwrite',
  ]);
  project.copyWeights('site/model');
  project.copy(`examples/${PICTURE}`, `site/${PICTURE}`);
  const { origin, codeBytes } = await project.serve('site');
  const { label, ms } = await project.open(`${origin}/popup.html`);
  const [answer, engine] = label.split(' by ');
  return {
    version: project.versionOf('esbuild'),
    form: `page in Chromium, ${engine}`,
    label: answer,
    ms,
    bytes: codeBytes(),
  };
});
