/**
 * node peers.mjs <package.json>: makes its optional peers dependencies. The image has them all (gRPC, queues);
 * people who install the package choose. Ranges are those of the tests, so the lock file has their versions.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const [file] = process.argv.slice(2);
const manifest = JSON.parse(readFileSync(file, 'utf8'));
for (const name of Object.keys(manifest.peerDependencies ?? {})) {
  manifest.dependencies[name] = manifest.devDependencies?.[name] ?? manifest.peerDependencies[name];
  delete manifest.devDependencies?.[name];
}
delete manifest.peerDependencies;
delete manifest.peerDependenciesMeta;
writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
