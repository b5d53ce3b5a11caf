/** Deno, with the rights that it needs and no others. */
import { dirname } from 'node:path';
import { check, labelOf, machine } from './support.mjs';

await check('Deno', async (project) => {
  const name = machine({ 'linux-x64': '@deno/linux-x64-glibc', 'linux-arm64': '@deno/linux-arm64-glibc' });
  project.install(name);
  const deno = project.file('node_modules', name, 'deno');
  project.copy('examples/classify.mjs', 'classify.mjs');
  project.copy('test/runtimes/probe.mjs', 'probe.mjs');
  const { stdout, ms } = project.follow('Deno', { paths: [dirname(deno)] });
  const least = ['run', '--no-prompt', '--allow-read=node_modules,husky.png', 'probe.mjs'];
  const { engine } = JSON.parse(project.run(deno, least).stdout);
  return { version: project.versionOf(name), form: `ESM, ${engine}, --allow-read`, label: labelOf(stdout), ms };
});
