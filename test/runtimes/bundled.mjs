/** A page bundled by `esbuild` or `webpack`, served, and opened in Chromium: `bundled.mjs webpack`. */
import { check, PICTURE, ROOT } from './support.mjs';

const bundler = process.argv[2];

await check(bundler, async (project) => {
  project.copy('examples/bundled', '.');
  project.follow(bundler);
  const { origin, codeBytes } = await project.serve('.');
  const choose = (page) => page.locator('input').setInputFiles(`${ROOT}examples/${PICTURE}`);
  const { label, ms } = await project.open(`${origin}/`, choose);
  return { version: project.versionOf(bundler), form: 'page in Chromium', label, ms, bytes: codeBytes() };
});
