/** File names that are not UTF-8, which Linux allows: a right result or an error of their own, and never another file. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { MobileNetV2ForImageClassification, pipeline } from '../../src/entries/main-node.js';
import { CLI, cli, temporaryFolder } from '../helpers/cli.js';
import { saveTinyClassifier, stripes } from '../helpers/tiny.js';

const E_ACUTE = Buffer.from([0xe9]);
const E_GRAVE = Buffer.from([0xe8]);
/** A path of text and bytes that are no UTF-8. */
const raw = (...parts: (string | Buffer)[]): Buffer => Buffer.concat(parts.map((part) => Buffer.from(part as string)));

let folder: string;
let model: string;
beforeEach(async () => {
  folder = join(temporaryFolder(), 'photos');
  model = temporaryFolder();
  mkdirSync(folder);
  await saveTinyClassifier(model);
});

interface Line {
  file: string;
  predictions?: unknown;
  error?: { code: string; message: string };
}

async function classified(...args: string[]): Promise<{ code: number | null; lines: Line[] }> {
  const { code, stdout } = await cli(['classify', ...args, '--model', model, '--ndjson', '--quiet']);
  return {
    code,
    lines: stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  };
}

/** By a shell, which can give any bytes: `caf\351.png` in the form of printf. */
const shell = (args: string): string =>
  execFileSync('sh', ['-c', `exec ${process.execPath} ${CLI} ${args}`], { encoding: 'utf8', stdio: 'pipe' });

describe.skipIf(process.platform !== 'linux')('a name that is not UTF-8 (Linux)', () => {
  it('in a folder, as a folder, on the command line, in a list and by a pattern', async () => {
    writeFileSync(raw(folder, '/caf', E_ACUTE, '.png'), stripes(2));
    writeFileSync(join(folder, 'plain.png'), stripes(2));
    mkdirSync(raw(folder, '/d', E_ACUTE));
    writeFileSync(raw(folder, '/d', E_ACUTE, '/in.png'), stripes(2));
    const { code, lines } = await classified(folder);
    expect(code).toBe(0);
    expect(lines.map(({ file }) => file)).toEqual(
      ['caf\uFFFD.png', 'd\uFFFD/in.png', 'plain.png'].map((name) => join(folder, name)),
    );
    const [first, second, third] = lines.map(({ file: _, ...rest }) => rest);
    expect(first).toEqual(third);
    expect(second).toEqual(third);
    const named = JSON.parse(shell(`classify "$(printf '${folder}/caf\\351.png')" --model ${model} --ndjson --quiet`));
    expect(named).toEqual(lines[0]);
    const list = join(temporaryFolder(), 'list');
    writeFileSync(list, raw(folder, '/caf', E_ACUTE, '.png\n'));
    expect((await classified('--files-from', list)).lines[0]).toEqual(lines[0]);
    expect((await classified(`${folder}/c*.png`)).lines[0]).toEqual(lines[0]);
  });

  it('that looks like another one is an error of its own, and the others go on', async () => {
    writeFileSync(raw(folder, '/caf', E_ACUTE, '.png'), stripes(1));
    writeFileSync(raw(folder, '/caf', E_GRAVE, '.png'), stripes(2));
    writeFileSync(join(folder, 'plain.png'), stripes(2));
    const { code, lines } = await classified(folder);
    expect(code).toBe(1);
    expect(lines.map(({ error }) => error?.code)).toEqual(['ARG', 'ARG', undefined]);
    expect(lines[0].error?.message).toMatch(/2 files have this name.*not UTF-8/);
  });

  it('of a model is opened', async () => {
    const parent = temporaryFolder();
    renameSync(model, raw(parent, '/m', E_ACUTE));
    const classify = await pipeline('image-classification', join(parent, 'm\uFFFD'));
    expect(await classify(stripes(2))).toHaveLength(3);
    renameSync(raw(parent, '/m', E_ACUTE), model);
    mkdirSync(raw(parent, '/m', E_ACUTE));
    mkdirSync(raw(parent, '/m', E_GRAVE));
    await expect(MobileNetV2ForImageClassification.from_pretrained(join(parent, 'm\uFFFD'))).rejects.toMatchObject({
      name: 'MobileNetError',
    });
  });

  it('is not written to', () => {
    writeFileSync(join(folder, 'plain.png'), stripes(2));
    const out = temporaryFolder();
    for (const args of [
      `features ${folder} --model ${model} --out "$(printf '${out}/f\\351.npy')"`,
      `classify ${folder} --model ${model} --explain "$(printf '${out}/e\\351')"`,
      `convert ${model} "$(printf '${out}/c\\351')"`,
    ]) {
      let status: number | null = 0;
      try {
        shell(args);
      } catch (error) {
        const failed = error as { status: number; stderr: string };
        status = failed.status;
        expect(failed.stderr).toMatch(/not UTF-8/);
      }
      expect(status).toBe(2);
    }
    expect(readdirSync(out)).toEqual([]);
  });
});

it('CSV has names as they are, so that programs find the files by them', async () => {
  const names = ['=1+1.png', '@a.png', '-b.png', 'c\u001b[31m.png'];
  for (const name of names) writeFileSync(join(folder, name), stripes(2));
  const { stdout, code } = await cli(['classify', folder, '--model', model, '--format', 'csv', '-k', '1']);
  expect(code).toBe(0);
  for (const name of names) expect(stdout).toContain(`${join(folder, name)},`);
});
