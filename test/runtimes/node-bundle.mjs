/**
 * A program for Node in a bundle, run where there is no node_modules: `node-bundle.mjs esbuild`, `webpack`, `lambda`. JPEG has
 * to be read there too, and threads have to start.
 */
import { cpSync } from 'node:fs';
import { check, EXPECTED, LABEL, labelOf, PICTURE, ROOT, watchThreads } from './support.mjs';

/** Where the bundles of each section of docs/deploy.md are. */
const BUNDLES = {
  esbuild: { section: 'esbuild for Node', tool: 'esbuild', programs: ['out/classify.mjs'], form: 'ES modules' },
  webpack: {
    section: 'webpack for Node',
    tool: 'webpack',
    programs: ['out/main.js', 'out-esm/main.mjs'],
    form: 'CommonJS, ES modules',
  },
  lambda: { section: 'AWS Lambda', tool: 'esbuild', programs: ['lambda/index.js'], form: 'CommonJS, a handler' },
};

const name = process.argv[2];
const { section, tool, programs, form } = BUNDLES[name];

/** What AWS does with a handler, in a process of its own. */
const LAMBDA = `
  const { readFileSync } = require('node:fs');
  const { handler } = require(process.argv[1]);
  const ask = async (bytes) => {
    const { statusCode, body } = await handler({ body: bytes.toString('base64'), isBase64Encoded: true });
    return { statusCode, answer: JSON.parse(body) };
  };
  (async () => {
    const broken = await ask(Buffer.from('no picture'));
    if (broken.statusCode !== 400 || broken.answer.code !== 'UNSUPPORTED') throw new Error(JSON.stringify(broken));
    for (const file of process.argv.slice(2)) {
      const { answer: [best] } = await ask(readFileSync(file));
      console.log(file + ': ' + best.label + ' ' + best.score.toFixed(3));
    }
  })();`;

await check(`${name}, for Node`, async (project) => {
  project.copy('examples/classify.mjs', 'classify.mjs');
  project.copy('examples/lambda', '.');
  project.follow(section);
  const versions = project.versionOf(tool);

  let outcome;
  for (const program of programs) {
    const [folder, file] = program.split('/');
    const away = project.away(folder);
    cpSync(`${ROOT}examples`, away.file('pictures'), { recursive: true });
    // Threads start with the second picture, and need some time to fail.
    const pictures = ['dog.jpg', ...Array(5).fill(PICTURE)].map((picture) => `pictures/${picture}`);
    const threads = watchThreads(away.path);
    const words = name === 'lambda' ? ['-e', LAMBDA, away.file(file)] : [file];
    const { stdout, ms } = away.run(process.execPath, [...words, ...pictures], threads);
    threads.check();
    if (!stdout.startsWith(`pictures/dog.jpg: ${LABEL} `)) throw new Error(`${program}: dog.jpg: ${stdout}`);
    outcome = { label: labelOf(stdout), ms };
    if (outcome.label !== EXPECTED) throw new Error(`${program}: ${stdout}`);
  }
  return { version: versions, form, ...outcome };
});
