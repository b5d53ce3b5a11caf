import { execFileSync } from 'node:child_process';

/**
 * Where `import 'mobilenet-v2'`, or a subpath of it, leads a Node, by the `exports` of the package in that folder: what
 * its users run, and therefore what is timed.
 * @returns a URL
 */
export function shippedIn(folder, node = process.execPath, name = 'mobilenet-v2') {
  const script = `process.stdout.write(import.meta.resolve('${name}'))`;
  return execFileSync(node, ['--input-type=module', '--eval', script], { cwd: folder, encoding: 'utf8' });
}
