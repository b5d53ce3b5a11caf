/**
 * The first session of someone who has pictures, a shell, and this program installed. Each step types what such a person
 * would, into bash, and looks at what the screen then shows.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { load_image, RawImage } from '../../src/entries/main-node.js';
import { CLI, ROOT } from '../helpers/cli.js';

let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-'));
  mkdirSync(`${folder}/bin`);
  // As npm makes it, which would be node_modules/.bin.
  writeFileSync(`${folder}/bin/mobilenet-v2`, `#!/bin/sh\nexec ${process.execPath} ${CLI} "$@"\n`);
  chmodSync(`${folder}/bin/mobilenet-v2`, 0o755);
  const photos = `${folder}/home/photos`;
  mkdirSync(photos, { recursive: true });
  const dog = await load_image(join(ROOT, 'examples/dog.jpg'));
  copyFileSync(join(ROOT, 'examples/husky.png'), `${photos}/husky.png`);
  copyFileSync(join(ROOT, 'examples/dog.jpg'), `${photos}/my dog, summer.jpg`);
  await (await dog.resize(300, 225)).save(`${photos}/small dog.png`);
  writeFileSync(`${photos}/notes.txt`, 'to do: sort these');
  writeFileSync(`${folder}/home/letter.jpg`, 'Dear all, this is no picture.');
  const h5 = readFileSync(new URL('../goldens/convert/sequential.h5.gz', import.meta.url));
  writeFileSync(`${folder}/home/flowers.h5`, gunzipSync(h5));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a line typed into bash leaves on the screen. */
function type(line: string): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync('bash', ['-o', 'pipefail', '-c', line], {
    cwd: `${folder}/home`,
    encoding: 'utf8',
    env: { ...process.env, PATH: `${folder}/bin:${process.env.PATH}` },
  });
  expect(stderr, line).not.toMatch(/\n +at |node:internal|Error:|undefined|env\./);
  return { code: status, out: stdout, err: stderr };
}
/** The same of a line that is all well. */
function good(line: string): string {
  const { code, out, err } = type(line);
  expect({ code, err }, line).toEqual({ code: 0, err: '' });
  return out;
}

const bash = spawnSync('bash', ['--version']).status === 0;

describe.skipIf(!bash)(`a first session${bash ? '' : ' (no bash here)'}`, () => {
  it('looks for help', () => {
    const help = good('mobilenet-v2 --help');
    for (const command of ['classify', 'segment', 'features', 'similar', 'convert']) expect(help).toContain(command);
    expect(good('mobilenet-v2 classify --help')).toContain('Examples:\n  $ mobilenet-v2 classify');
    expect(good('mobilenet-v2 help segment')).toBe(good('mobilenet-v2 segment --help'));
    const { code, err } = type('mobilenet-v2'); // no command is wrong usage, and what to do instead is the help
    expect([code, err]).toEqual([2, help]);
  });

  it('classifies a file, then a folder', () => {
    const [file, best, ...rest] = good('mobilenet-v2 classify "photos/my dog, summer.jpg"').trimEnd().split('\n');
    expect(file).toBe('photos/my dog, summer.jpg');
    expect(best).toMatch(/^ {2} *\d+\.\d % {2}\S/);
    expect(rest).toHaveLength(4);
    const { code, out, err } = type('mobilenet-v2 classify photos');
    expect(code).toBe(0);
    expect(out.match(/^photos\/.*$/gm)).toEqual([
      'photos/husky.png',
      'photos/my dog, summer.jpg',
      'photos/small dog.png',
    ]);
    expect(out).toMatch(/^photos\/husky\.png\n +\d+\.\d % {2}malamute/i);
    expect(err).toBe('mobilenet-v2: skipped 1 file that is not .png, .jpg or .jpeg (1 .txt); --verbose names them\n');
  });

  it('writes CSV to a file and opens it', () => {
    good('mobilenet-v2 classify photos --quiet -k 1 --format csv > labels.csv');
    const [header, ...rows] = readFileSync(`${folder}/home/labels.csv`, 'utf8').trimEnd().split('\n');
    expect(header).toBe('file,rank,label,score,error');
    expect(rows).toHaveLength(3);
    expect(rows[1]).toMatch(/^"photos\/my dog, summer\.jpg",1,("[^"]+"|[^,]+),0\.\d+,$/);
    expect(good('cut -d, -f1 labels.csv').split('\n').length).toBeGreaterThan(1);
  });

  it('has a line a picture, for grep and sort', () => {
    expect(good('mobilenet-v2 classify photos -q -f lines | grep -i husky | cut -f1 | head -1')).toBe(
      'photos/husky.png\n',
    );
    expect(
      good(`find photos -name '*.png' -print0 | mobilenet-v2 classify --files-from - -f lines | wc -l`).trim(),
    ).toBe('2');
  });

  it('asks why', async () => {
    expect(good('mobilenet-v2 classify photos/husky.png -k 1 --explain why.jpg')).toMatch(/\n {2}why .+ → why\.jpg\n$/);
    expect((await RawImage.read(`${folder}/home/why.jpg`)).size).toEqual(
      (await RawImage.read(`${folder}/home/photos/husky.png`)).size,
    );
    const many = type('mobilenet-v2 classify photos --explain why.jpg');
    expect([many.code, many.err]).toEqual([2, expect.stringContaining('name a folder')]);
    expect(type('mobilenet-v2 classify photos -q --explain reasons').code).toBe(0);
    expect(existsSync(`${folder}/home/reasons/husky.why.png`)).toBe(true);
  });

  it('segments, with an overlay to look at', async () => {
    const out = good('mobilenet-v2 segment photos/husky.png --overlay');
    expect(out).toMatch(
      /^photos\/husky\.png → masks\/husky\.mask\.png, masks\/husky\.overlay\.png\n( +\d+\.\d % {2}\w+\n)* +\d+\.\d % {2}dog\n( +\d+\.\d % {2}\w+\n)*$/,
    );
    const [picture, overlay] = await Promise.all(
      ['photos/husky.png', 'masks/husky.overlay.png'].map((name) => RawImage.read(`${folder}/home/${name}`)),
    );
    expect(overlay.size).toEqual(picture.size);
  });

  it('finds pictures that look alike, at once or by features kept in a file', () => {
    const direct = good('mobilenet-v2 similar "photos/my dog, summer.jpg" photos -q');
    expect(direct).toMatch(/^0\.9\d\d {2}photos\/small dog\.png\n0\.\d\d\d {2}photos\/husky\.png\n$/);
    expect(good('mobilenet-v2 features photos -q -o photos.npy')).toBe('');
    expect(readFileSync(`${folder}/home/photos.rows.csv`, 'utf8').split('\n')[2]).toBe('1,"photos/my dog, summer.jpg"');
    expect(good('mobilenet-v2 similar "photos/my dog, summer.jpg" --features photos.npy')).toBe(direct);
  });

  it.each([
    ['mobilenet-v2 classify photos --treshold 0.5', 2, "unknown option '--treshold'\n(Did you mean --threshold?)"],
    ['mobilenet-v2 clasify photos', 2, "unknown command 'clasify'\n(Did you mean classify?)"],
    ['mobilenet-v2 classify missing.jpg', 1, 'missing.jpg: no such file'],
    ['mobilenet-v2 classify letter.jpg', 1, 'letter.jpg: expected a PNG or JPEG picture, got text'],
    ['mobilenet-v2 classify', 2, 'no pictures given'],
    ['mobilenet-v2 classify photos -k none', 2, 'Expected a whole number'],
    ['mobilenet-v2 classify photos -q -j 1 --limit image-pixels=67k', 1, '--limit image-pixels=67000; raise it'],
  ])('slips: %s', (line, expected, reason) => {
    const { code, out, err } = type(line);
    expect([code, out]).toEqual([expected, '']);
    expect(err).toContain(reason);
    expect(err).toMatch(/^mobilenet-v2: /);
    expect(err.length).toBeLessThan(1000);
  });

  it('pipes into head', () => {
    expect(good('mobilenet-v2 classify photos -q -j 1 | head -1')).toBe('photos/husky.png\n');
    expect(good('mobilenet-v2 plan | head -1')).not.toBe('');
  });

  it('converts, and is kept from writing over what was there', () => {
    expect(good('mobilenet-v2 convert flowers.h5 flowers 2>/dev/null')).toMatch(/^keras → flowers: .*3 classes/);
    const again = type('mobilenet-v2 convert flowers.h5 flowers < /dev/null');
    expect([again.code, again.err]).toEqual([
      2,
      expect.stringMatching(/flowers has config\.json.* --force overwrites/),
    ]);
    expect(type('mobilenet-v2 convert flowers.h5 flowers --force').code).toBe(0);
    expect(good('mobilenet-v2 classify photos/husky.png -m flowers -k 1').split('\n')).toHaveLength(3);
  });
});
