/** TypeScript, strict, with the libraries' own types checked: every entry, as Node resolves them and as bundlers do. */
import { check, labelOf } from './support.mjs';

await check('TypeScript', async (project) => {
  project.copy('examples/typescript', '.');
  const { stdout, ms } = project.follow('TypeScript');
  const bundler = ['--noEmit', '--module', 'esnext', '--moduleResolution', 'bundler'];
  project.run('npx', ['tsc', '--project', 'tsconfig.json', ...bundler]);
  const form = 'strict, skipLibCheck false; nodenext, bundler';
  return { version: project.versionOf('typescript'), form, label: labelOf(stdout), ms };
});
