/**
 * `npm run prepare`, which npm runs after an install and before it packs: the build. The checkout is also linked into its own
 * node_modules, where packages/server finds it by its name, and npm prepares that link as well, as a package that was resolved
 * to nothing. Once is enough.
 */
import { execSync } from 'node:child_process';
import { env } from 'node:process';

if (env.npm_package_resolved !== 'null') execSync('npm run build', { stdio: 'inherit' });
