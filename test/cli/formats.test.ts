/** What goes in and comes out beside pictures: formats, lists of files, thresholds, limits, files that are skipped. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { csvLine, tabLine } from '../../src/cli/cells.js';
import { cli, temporaryFolder } from '../helpers/cli.js';
import { saveTinyClassifier, stripes, writeStripes } from '../helpers/tiny.js';

let folder: string;
beforeEach(async () => {
  folder = temporaryFolder();
  await saveTinyClassifier(`${folder}/model`);
  mkdirSync(`${folder}/photos`);
});
const run = (args: readonly string[], stdin?: string | Uint8Array) =>
  cli([...args, '--model', 'model'], { cwd: folder, ...(stdin !== undefined && { stdin }) });

/** CSV as RFC 4180 has it: what a spreadsheet reads. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n|$)/g)) {
    rows.at(-1)!.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === '\n') rows.push([]);
  }
  return rows.slice(0, -1);
}

describe('cells', () => {
  it('are quoted where CSV asks for it, and numbers keep what a float32 has', () => {
    const cells = ['a,b', 'say "hi"', 'two\nlines', ' edge', 'plain', Math.fround(0.1), 1e-9];
    expect(csvLine(cells)).toBe('"a,b","say ""hi""","two\nlines"," edge",plain,0.100000001,1e-9\n');
    expect(readCsv(csvLine(cells))[0].slice(0, 5)).toEqual(cells.slice(0, 5));
  });

  it('stay on one line between tabs', () => {
    expect(tabLine(['a\tb\nc', 1])).toBe('a\\tb\\nc\t1\n');
  });
});

describe('--format', () => {
  beforeEach(() => {
    writeStripes(`${folder}/photos`, 'one, two "three".png', 1);
    writeStripes(`${folder}/photos`, 'z.png', 2);
    writeFileSync(`${folder}/photos/broken.png`, 'no picture');
  });

  it('csv: a header, a row for every label, and what failed', async () => {
    const { code, stdout, stderr } = await run(['classify', 'photos', '-f', 'csv', '-k', '2']);
    const json = JSON.parse((await run(['classify', 'photos', '--format', 'json', '-k', '2'])).stdout);
    expect(code).toBe(1);
    const [header, ...rows] = readCsv(stdout);
    expect(header).toEqual(['file', 'rank', 'label', 'score', 'error']);
    expect(rows.map((row) => row.slice(0, 3))).toEqual([
      ['photos/broken.png', '', ''],
      ...[0, 1].map((n) => ['photos/one, two "three".png', String(n + 1), json[1].labels[n].label]),
      ...[0, 1].map((n) => ['photos/z.png', String(n + 1), json[2].labels[n].label]),
    ]);
    expect(rows[0][4]).toContain('broken.png: expected a PNG or JPEG picture');
    expect(Number(rows[1][3])).toBeCloseTo(json[1].labels[0].score, 7);
    expect(stderr).toContain('broken.png');
  });

  it('csv: columns also where there is no row', async () => {
    const { stdout } = await run(['classify', 'photos/z.png', '--format', 'csv', '--threshold', '1']);
    expect(stdout).toBe('file,rank,label,score,error\n');
  });

  it('lines: the best label of each picture, or as many as asked for', async () => {
    const { stdout } = await run(['classify', 'photos', '-f', 'lines', '-q']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/^photos\/z\.png\t(ant|bee|cat)\t0\.\d+$/);
    const three = await run(['classify', 'photos/z.png', '-f', 'lines', '-k', '3']);
    expect(three.stdout.split('\t')).toHaveLength(7);
  });

  it('json and ndjson are --json and --ndjson, and two at once are refused', async () => {
    for (const format of ['json', 'ndjson']) {
      const short = await run(['classify', 'photos', `--${format}`]);
      expect(await run(['classify', 'photos', '--format', format])).toEqual(short);
    }
    const both = await run(['classify', 'photos', '--json', '--format', 'csv']);
    expect([both.code, both.stderr]).toEqual([2, expect.stringContaining('cannot be used')]);
    const typo = await run(['classify', 'photos', '--format', 'xml']);
    expect([typo.code, typo.stderr]).toEqual([2, expect.stringContaining('table, lines, csv, json, ndjson')]);
  });

  it('csv of features has a column for every number', async () => {
    const { stdout } = await run(['features', 'photos', '-f', 'csv']);
    const rows = readCsv(stdout);
    const [{ error }, { features }] = JSON.parse((await run(['features', 'photos', '--json'])).stdout);
    expect(error.code).toBe('UNSUPPORTED');
    expect(rows.map((row) => row.length)).toEqual(Array(4).fill(features.length + 2));
    expect(rows[0].slice(0, 3)).toEqual(['file', 'f0', 'f1']);
    expect(rows[2].slice(1, -1).map(Number).map(Math.fround)).toEqual(features);
    const maps = await run(['features', 'photos', '-f', 'csv', '--no-pool']);
    expect([maps.code, maps.stderr]).toEqual([2, expect.stringContaining('--out')]);
  });
});

describe('--threshold', () => {
  it('leaves out labels below it, as a number or in percent', async () => {
    writeStripes(`${folder}/photos`, 'z.png', 2);
    const [{ labels }] = JSON.parse((await run(['classify', 'photos', '--json'])).stdout);
    const middle = (labels[0].score + labels[1].score) / 2;
    for (const threshold of [String(middle), `${middle * 100}%`]) {
      const [some] = JSON.parse((await run(['classify', 'photos', '--json', '-t', threshold])).stdout);
      expect(some.labels).toEqual(labels.slice(0, 1));
    }
    const none = await run(['classify', 'photos', '--threshold', '1']);
    expect(none).toEqual({ code: 0, stdout: 'photos/z.png\n  no label scores 100.0 % or more\n', stderr: '' });
    expect((await run(['classify', 'photos', '--threshold', '1.5'])).code).toBe(2);
  });
});

describe('--files-from', () => {
  const files = async (args: string[], stdin?: string) => {
    const { stdout } = await run(['classify', ...args, '--ndjson'], stdin);
    return stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).file);
  };

  it('reads names one a line or with NUL between, from a file or standard input', async () => {
    writeStripes(folder, 'a b.png', 1);
    writeStripes(folder, 'c[1].png', 2);
    writeStripes(`${folder}/photos`, 'd.png', 3);
    writeStripes(folder, 'two\nlines.png', 4);
    const names = ['a b.png', 'c[1].png', 'photos', 'none.png'];
    const expected = ['a b.png', 'c[1].png', 'photos/d.png', 'none.png'];
    writeFileSync(`${folder}/list`, `${names.join('\r\n')}\r\n\r\n`);
    expect(await files(['--files-from', 'list'])).toEqual(expected);
    expect(await files(['--files-from', '-'], names.join('\n'))).toEqual(expected);
    expect(await files(['photos', '--files-from', '-'], 'two\nlines.png\0a b.png\0')).toEqual([
      'photos/d.png',
      'two\nlines.png',
      'a b.png',
    ]);
  });

  it.each([
    [['--files-from', 'none'], 'no such file'],
    [['--files-from', 'empty'], 'no pictures (.png, .jpg, .jpeg) in the list "empty"'],
    [['-', '--files-from', '-'], 'can be given once'],
  ])('%j exits 2 and says why', async (args, reason) => {
    writeFileSync(`${folder}/empty`, '\n\n');
    const { code, stdout, stderr } = await run(['classify', ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(reason);
  });
});

describe('files that are no pictures', () => {
  it('are counted, named if asked, and passed over in silence with --quiet', async () => {
    writeStripes(`${folder}/photos`, 'z.png', 2);
    for (const name of ['a.txt', 'b.txt', 'README', '.hidden']) writeFileSync(`${folder}/photos/${name}`, '');
    const told = await run(['classify', 'photos']);
    expect(told.code).toBe(0);
    expect(told.stderr).toBe(
      'mobilenet-v2: skipped 3 files that are not .png, .jpg or .jpeg (2 .txt, 1 without an extension); --verbose names them\n',
    );
    const named = await run(['classify', 'photos/*', '--verbose']);
    expect(named.stderr.match(/^mobilenet-v2: photos\/(a\.txt|b\.txt|README): skipped/gm)).toHaveLength(3);
    expect((await run(['classify', 'photos', '--quiet'])).stderr).toBe('');
    const none = await run(['classify', 'photos/*.txt']);
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('2 files that are not')]);
  });
});

describe('--limit', () => {
  it('raises and lowers what messages name', async () => {
    writeFileSync(`${folder}/photos/z.png`, stripes(1, 40, 30));
    const low = await run(['classify', 'photos', '--limit', 'image-pixels=1199']);
    expect(low).toMatchObject({ code: 1, stdout: '' });
    expect(low.stderr).toBe(
      'mobilenet-v2: photos/z.png: 40×30 pixels exceed --limit image-pixels=1199; raise it to read larger pictures\n',
    );
    expect((await run(['classify', 'photos', '--limit', 'image-pixels=1.2k', '--limit', 'tensors=1Ki'])).code).toBe(0);
    const tensors = await run(['classify', 'photos', '--limit', 'tensors=3']);
    expect(tensors).toMatchObject({ code: 1, stdout: '' });
    expect(tensors.stderr).toContain('--limit tensors=3');
  });

  it('holds in the threads that decode, too', async () => {
    for (let n = 0; n < 6; n++) writeStripes(`${folder}/photos`, `${n}.png`, n);
    const { stdout } = await run(['classify', 'photos', '--ndjson', '-j', '2', '--limit', 'image-bytes=10']);
    expect(stdout.match(/raise --limit image-bytes=… to read/g)).toHaveLength(6);
  });

  it.each(['image-pixel=5', 'image-pixels', 'image-pixels=', 'image-pixels=0', 'image-pixels=0.5', 'tensors=4x', '=3'])(
    '%s is refused with what is expected',
    async (value) => {
      const { code, stderr } = await run(['classify', 'photos', '--limit', value]);
      expect(code).toBe(2);
      expect(stderr).toMatch(/Expected (one of image-pixels, .*weights-bytes|a whole number such as)/);
    },
  );
});
