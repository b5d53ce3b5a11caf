/** A process that may have few descriptors or no threads: the same results on less, and an error that says what is wanted. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import { CLI, ROOT, temporaryFolder } from '../../helpers/cli.js';
import { saveTinyClassifier, stripes } from '../../helpers/tiny.js';

let folder: string;
beforeEach(async () => {
  folder = temporaryFolder();
  await saveTinyClassifier(`${folder}/model`);
  for (let n = 0; n < 6; n++) writeFileSync(`${folder}/${n}.png`, stripes(n));
});

/** A command of bash, which sets the limits. */
function shell(command: string) {
  const { status, stdout, stderr } = spawnSync('bash', ['-c', command], { cwd: folder, encoding: 'utf8' });
  return { status, stdout, stderr };
}

const MAIN = pathToFileURL(join(ROOT, 'dist/bundle/node.js')).href;

describe.skipIf(process.platform === 'win32')('file descriptors', () => {
  it('that are all taken at the first decode are what the error says, and the next call is right', () => {
    writeFileSync(
      `${folder}/full.mjs`,
      `import { closeSync, openSync } from 'node:fs';
      const { RawImage } = await import(${JSON.stringify(MAIN)});
      const answers = [];
      const read = (file) => RawImage.read(file).then(({ width }) => width, ({ code, message }) => \`\${code} \${message}\`);
      for (const file of process.argv.slice(2)) {
        for (const left of [0, 1, 2, 5, 10]) {
          const held = [];
          try { for (;;) held.push(openSync('/dev/null')); } catch {}
          for (let n = 0; n < left; n++) closeSync(held.pop());
          answers.push(await read(file));
          for (const descriptor of held) closeSync(descriptor);
        }
        answers.push(await read(file));
      }
      console.log(JSON.stringify(answers));`,
    );
    const { stdout, stderr } = shell(`ulimit -n 64; "${process.execPath}" full.mjs "${ROOT}/examples/cat.jpg" 0.png`);
    expect(stderr).toBe('');
    const answers: unknown[] = JSON.parse(stdout);
    expect(answers).toHaveLength(12);
    for (const [n, answer] of answers.entries()) {
      if (n % 6 === 5) expect(answer).toEqual(expect.any(Number));
      else expect(answer).toMatch(/^IO .*too many open files.*EMFILE/);
    }
  });

  it('are few even where a call names many pictures', () => {
    writeFileSync(
      `${folder}/many.mjs`,
      `const { pipeline } = await import(${JSON.stringify(MAIN)});
      const classify = await pipeline('image-classification', 'model');
      const [one] = await classify(['0.png'], { top_k: 3 });
      const all = await classify(new Array(500).fill('0.png'), { top_k: 3 });
      console.log(all.length, all.every((each) => JSON.stringify(each) === JSON.stringify(one)));`,
    );
    expect(shell(`ulimit -n 128; "${process.execPath}" many.mjs`)).toEqual({
      status: 0,
      stdout: '500 true\n',
      stderr: '',
    });
  });
});

describe('threads', () => {
  const pictures = '0.png 1.png 2.png 3.png 4.png 5.png';
  const classify = `"${CLI}" classify ${pictures} --model model --ndjson --threads 2`;
  const said = /^mobilenet-v2: no threads can be started \([^)\n]+\); one does all, which takes longer\n$/;

  it('that are refused change nothing in the results, and it is said once', () => {
    const usual = shell(`"${process.execPath}" ${classify}`);
    expect(usual).toMatchObject({ status: 0, stderr: '' });
    writeFileSync(
      `${folder}/refuse.cjs`,
      `const threads = require('node:worker_threads');
      threads.Worker = class { constructor() { throw Object.assign(new Error('EAGAIN'), { code: 'ERR_WORKER_INIT_FAILED' }); } };
      require('node:module').syncBuiltinESMExports();`,
    );
    const refused = shell(`"${process.execPath}" --require ./refuse.cjs ${classify}`);
    expect(refused).toEqual({ status: 0, stdout: usual.stdout, stderr: expect.stringMatching(said) });
    expect(shell(`"${process.execPath}" --require ./refuse.cjs ${classify} --quiet`).stderr).toBe('');
    const [major] = process.versions.node.split('.').map(Number);
    const permission = major < 22 ? '--experimental-permission' : '--permission';
    const forbidden = shell(`"${process.execPath}" --no-warnings ${permission} --allow-fs-read=* ${classify}`);
    expect(forbidden).toEqual({ status: 0, stdout: usual.stdout, stderr: expect.stringMatching(said) });
  });
});
