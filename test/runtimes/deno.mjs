/** Deno, with the rights that it needs and no others. */
import { check, labelOf, machine, PICTURE } from './support.mjs';

await check('Deno', async (project) => {
  const name = machine({ 'linux-x64': '@deno/linux-x64-glibc', 'linux-arm64': '@deno/linux-arm64-glibc' });
  project.install(name);
  const deno = project.file('node_modules', name, 'deno');
  project.copy('examples/classify.mjs', 'classify.mjs');
  project.copy('test/runtimes/probe.mjs', 'probe.mjs');
  const rights = ['--no-prompt', '--allow-read', '--allow-env=MODEL'];
  const { stdout, ms } = project.run(deno, ['run', ...rights, 'classify.mjs', PICTURE]);
  const { engine } = JSON.parse(project.run(deno, ['run', ...rights, 'probe.mjs']).stdout);
  return { version: project.versionOf(name), form: `ESM, ${engine}, --allow-read`, label: labelOf(stdout), ms };
});
