/** The runtime of Cloudflare Workers: kernels.wasm as a module, weights as a data module, pictures as files and as pixels. */
import { readFileSync, statSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { check, machine, ROOT } from './support.mjs';

await check('workerd', async (project) => {
  const name = machine({
    'linux-x64': '@cloudflare/workerd-linux-64',
    'linux-arm64': '@cloudflare/workerd-linux-arm64',
  });
  project.install('esbuild', name);
  project.copy('examples/edge', '.');
  project.copyWeights('model');
  const outside = ['--external:*.wasm', '--external:*.safetensors'];
  const conditions = '--conditions=workerd,worker,browser'; // as wrangler has them
  project.tool('esbuild', [
    'worker.js',
    '--bundle',
    '--minify',
    '--format=esm',
    conditions,
    ...outside,
    '--outdir=bundle',
  ]);
  const workerd = project.start(project.file('node_modules', name, 'bin/workerd'), ['serve', 'config.capnp']);

  const ask = async (body) => {
    const began = performance.now();
    const response = await fetch('http://127.0.0.1:8787', { method: 'POST', body });
    const text = await response.text();
    return { status: response.status, text, ms: performance.now() - began };
  };
  for (let tries = 0; workerd.running() && tries < 100; tries++) {
    if (
      await fetch('http://127.0.0.1:8787').then(
        () => true,
        () => false,
      )
    )
      break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const png = await ask(readFileSync(`${ROOT}examples/husky.png`)).catch((error) => {
    throw new Error(`${error.message}: ${workerd.said()}`);
  });
  const [best] = JSON.parse(png.text);
  // dog.jpg is Siberian husky too: the JPEG decoder has run.
  const [dog] = JSON.parse((await ask(readFileSync(`${ROOT}examples/dog.jpg`))).text);
  if (dog?.label !== 'Siberian husky') throw new Error(`dog.jpg: ${JSON.stringify(dog)}`);
  const broken = await ask('no picture');
  if (broken.status !== 400 || JSON.parse(broken.text).code !== 'UNSUPPORTED')
    throw new Error(`no picture: ${broken.text}`);
  const code = ['bundle/worker.js', 'node_modules/mobilenet-v2/dist/kernels.wasm'].map((file) => project.file(file));
  return {
    version: project.versionOf(name),
    form: 'workerd condition, wasm module; PNG, JPEG',
    label: `${best.label} ${best.score.toFixed(3)}`,
    ms: png.ms,
    bytes: code.reduce((sum, file) => sum + (statSync(file).isFile() ? gzipSync(readFileSync(file)).length : 0), 0),
  };
});
