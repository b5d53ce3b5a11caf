/** Bun. */
import { check, labelOf, machine, PICTURE } from './support.mjs';

await check('Bun', async (project) => {
  const name = machine({ 'linux-x64': '@oven/bun-linux-x64', 'linux-arm64': '@oven/bun-linux-aarch64' });
  project.install(name);
  const bun = project.file('node_modules', name, 'bin/bun');
  project.copy('examples/classify.mjs', 'classify.mjs');
  project.copy('test/runtimes/probe.mjs', 'probe.mjs');
  const { stdout, ms } = project.run(bun, ['classify.mjs', PICTURE]);
  const { engine } = JSON.parse(project.run(bun, ['probe.mjs']).stdout);
  return { version: project.versionOf(name), form: `ESM, ${engine}`, label: labelOf(stdout), ms };
});
