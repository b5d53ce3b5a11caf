import { fileURLToPath } from 'node:url';

/** The package is bundled like any other; packages are found in bench/bundles/node_modules, above this folder. */
export default { turbopack: { root: fileURLToPath(new URL('../..', import.meta.url)) } };
