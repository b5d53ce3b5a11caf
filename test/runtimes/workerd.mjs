/** The runtime of Cloudflare Workers: kernels.wasm as a module, weights as a data module, PNG and JPEG. */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { check, LABEL, ROOT } from './support.mjs';

const ORIGIN = 'http://127.0.0.1:8787'; // as config.capnp has it

async function ask(body) {
  const began = performance.now();
  const response = await fetch(ORIGIN, { method: 'POST', body });
  const answer = await response.json();
  return { status: response.status, answer, ms: performance.now() - began };
}

await check('workerd', async (project) => {
  project.copy('examples/edge', '.');
  const { line } = project.follow('Cloudflare Workers', { later: /workerd serve/ });
  const workerd = project.start('/bin/sh', ['-c', `exec ${line.replace('npx ', 'node_modules/.bin/')}`]);
  await project.answers(ORIGIN, workerd);

  const png = await ask(readFileSync(`${ROOT}examples/husky.png`));
  const [best] = png.answer;
  const jpeg = await ask(readFileSync(`${ROOT}examples/dog.jpg`));
  if (jpeg.answer[0]?.label !== LABEL) throw new Error(`dog.jpg: ${JSON.stringify(jpeg.answer)}`);
  const broken = await ask('no picture');
  if (broken.status !== 400 || broken.answer.code !== 'UNSUPPORTED') {
    throw new Error(`no picture: ${JSON.stringify(broken.answer)}`);
  }
  const code = ['bundle/worker.js', 'node_modules/mobilenet-v2/dist/kernels.wasm'];
  return {
    version: project.versionOf('workerd'),
    form: 'wasm as a module; PNG, JPEG',
    label: `${best.label} ${best.score.toFixed(3)}`,
    ms: png.ms,
    bytes: code.reduce((sum, file) => sum + gzipSync(readFileSync(project.file(file))).length, 0),
  };
});
