import { execFileSync } from 'node:child_process';

/**
 * Where `import 'mobilenet-v2'` leads a Node, by the `exports` of the package in that folder: what its users run, and
 * therefore what is timed.
 * @returns a URL
 */
export function shippedIn(folder, node = process.execPath) {
  const script = `process.stdout.write(import.meta.resolve('mobilenet-v2'))`;
  return execFileSync(node, ['--input-type=module', '--eval', script], { cwd: folder, encoding: 'utf8' });
}
