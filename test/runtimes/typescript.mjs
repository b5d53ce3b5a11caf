/** TypeScript, strict, with the libraries' own types checked: every entry, as Node resolves them and as bundlers do. */
import { check, labelOf, PICTURE } from './support.mjs';

await check('TypeScript', async (project) => {
  project.install('typescript@5', '@types/node@20');
  project.copy('examples/typescript', '.');
  project.tool('tsc', [
    '--project',
    'tsconfig.json',
    '--noEmit',
    '--module',
    'esnext',
    '--moduleResolution',
    'bundler',
  ]);
  project.tool('tsc', ['--project', 'tsconfig.json', '--outDir', 'built']);
  const { stdout, ms } = project.run(process.execPath, ['built/classify.js', PICTURE]);
  return {
    version: project.versionOf('typescript'),
    form: 'strict, skipLibCheck false; nodenext, bundler',
    label: labelOf(stdout),
    ms,
  };
});
