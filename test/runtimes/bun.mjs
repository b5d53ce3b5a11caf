/** Bun. */
import { dirname } from 'node:path';
import { check, labelOf, machine } from './support.mjs';

await check('Bun', async (project) => {
  const name = machine({ 'linux-x64': '@oven/bun-linux-x64', 'linux-arm64': '@oven/bun-linux-aarch64' });
  project.install(name);
  const bun = project.file('node_modules', name, 'bin/bun');
  project.copy('examples/classify.mjs', 'classify.mjs');
  project.copy('test/runtimes/probe.mjs', 'probe.mjs');
  const { stdout, ms } = project.follow('Bun', { paths: [dirname(bun)] });
  const { engine } = JSON.parse(project.run(bun, ['probe.mjs']).stdout);
  return { version: project.versionOf(name), form: `ESM, ${engine}`, label: labelOf(stdout), ms };
});
