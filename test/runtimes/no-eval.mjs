/** Node that refuses to compile text, which nothing of the package's own does, but for the bridge to ndarray. */
import { check, labelOf, PICTURE } from './support.mjs';

await check('Node without eval', async (project) => {
  project.copy('examples/classify.mjs', 'classify.mjs');
  project.copy('test/runtimes/probe.mjs', 'probe.mjs');
  project.follow('Node');
  const strict = '--disallow-code-generation-from-strings';
  const { stdout, ms } = project.run(process.execPath, [strict, 'classify.mjs', PICTURE]);
  const { engine } = JSON.parse(project.run(process.execPath, [strict, 'probe.mjs']).stdout);
  return { version: process.version, form: `${strict}, ${engine}`, label: labelOf(stdout), ms };
});
