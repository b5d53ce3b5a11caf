/**
 * Draws the rooms of src/ from the imports of its files: docs/images/rooms.svg. Rooms stand in the order in which they may
 * import, each below those that use it, so every arrow points down.
 *
 *     node scripts/rooms.mjs            writes the picture
 *     node scripts/rooms.mjs --check    fails where it is not what the imports say
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FILE = join(ROOT, 'docs/images/rooms.svg');

/** From the top down, and what each is for. A room imports only rooms below it. */
export const ROOMS = [
  ['cli', 'the commands'],
  ['entries', "what the package's names resolve to"],
  ['convert', 'other frameworks’ models → ours'],
  ['pipeline', 'from a picture to an answer'],
  ['train', 'pictures with labels → a network that knows them'],
  ['quantize', 'a float network → one of whole numbers'],
  ['models', 'the network of the paper, its tasks, its losses'],
  ['runtime', 'graph → plan → run; the engines'],
  ['platforms', 'what a place offers: files, threads, codecs'],
  ['processors', 'pixels → tensor; labels and masks back'],
  ['images', 'pictures: read, turned, resized'],
  ['codecs/jpeg', 'JPEG ↔ pixels'],
  ['codecs', 'files of pictures ↔ pixels'],
  ['layers/backward', 'the kernels of training'],
  ['layers', 'the kernels'],
  ['graph', 'nodes, and the passes that fold and fuse'],
  ['formats', 'files of weights → tensors by name'],
  ['hub', 'a name → files'],
  ['tensor', 'tensors, and the WebAssembly assembler'],
  ['base', 'errors, limits, options, JSON'],
];

/** The first folder, or a file beside it. A format as large as JPEG is a room within its room, and so are kernels that go back. */
export const roomOf = (file) =>
  /^(codecs\/jpeg|layers\/backward)(?=\/)/.exec(file)?.[0] ??
  /^[^/]+(?=\/)/.exec(file)?.[0] ??
  file.replace(/\.ts$/, '');

/** Files and lines of each room, and imports from one to another: `{ rooms: { name: { files, lines } }, arrows: { 'a b': n } }`. */
export function readHouse(src = join(ROOT, 'src')) {
  const rooms = {};
  const arrows = {};
  const files = readdirSync(src, { recursive: true })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => file.endsWith('.ts'));
  for (const file of files) {
    const text = readFileSync(join(src, file), 'utf8');
    rooms[roomOf(file)] ??= { files: 0, lines: 0 };
    rooms[roomOf(file)].files++;
    rooms[roomOf(file)].lines += text.split('\n').length - 1;
    for (const [, from, later] of text.matchAll(/\bfrom\s+'(\.[^']+)'|\bimport\(?\s*'(\.[^']+)'/g)) {
      const to = roomOf(
        normalize(join(dirname(file), from ?? later))
          .replaceAll('\\', '/')
          .replace(/\.js$/, '.ts'),
      );
      if (to === roomOf(file)) continue;
      const arrow = `${roomOf(file)} ${to}`;
      arrows[arrow] = (arrows[arrow] ?? 0) + 1;
    }
  }
  return { rooms, arrows };
}

const ROW = 40;
const LEFT = 20;
const WIDTH = 400;
const ARC = 330;

/** The picture: a bar for each room, as long as it has lines; arcs on the right, as thick as there are imports. */
export function draw({ rooms, arrows }) {
  const names = ROOMS.map(([name]) => name);
  const y = (name) => 30 + ROW * names.indexOf(name);
  const lines = Object.values(rooms).reduce((sum, room) => sum + room.lines, 0);
  const bars = ROOMS.map(([name, purpose]) => {
    // Whole percents, so that the picture changes when the house does and not with every line.
    const share = Math.round((100 * rooms[name].lines) / lines);
    return [
      `<rect x="${LEFT}" y="${y(name)}" width="${WIDTH}" height="30" rx="4" class="room"/>`,
      `<rect x="${LEFT}" y="${y(name)}" width="${share * 28}" height="30" rx="4" class="lines"/>`,
      `<text x="${LEFT + 8}" y="${y(name) + 13}" class="name">${name}</text>`,
      `<text x="${LEFT + 8}" y="${y(name) + 25}">${purpose}</text>`,
      `<text x="${LEFT + WIDTH - 8}" y="${y(name) + 19}" class="share">${share} %</text>`,
    ].join('');
  });
  const arcs = Object.entries(arrows).map(([arrow, count]) => {
    const [from, to] = arrow.split(' ');
    const [top, bottom] = [y(from) + 20, y(to) + 10];
    const reach = 20 + ((bottom - top) / (ROW * names.length)) * ARC;
    const x = LEFT + WIDTH;
    const width = 1 + Math.round(Math.log2(count) / 3);
    const path = `M${x},${top} C${(x + reach).toFixed(0)},${top} ${(x + reach).toFixed(0)},${bottom} ${x + 5},${bottom}`;
    return `<path d="${path}" stroke-width="${width}"><title>${from} → ${to}</title></path>`;
  });
  const height = 40 + ROW * names.length;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 740 ${height}" width="740" height="${height}" font-family="system-ui, sans-serif" font-size="10">
<title>Rooms of src/ and their imports</title>
<style>text{fill:#444}.name{font-weight:600;font-size:12px;fill:#111}.share{text-anchor:end}.room{fill:#f3f4f6}.lines{fill:#c7d2fe}path{fill:none;stroke:#4f46e5;stroke-opacity:.45;marker-end:url(#to)}</style>
<defs><marker id="to" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="5" markerHeight="5" markerUnits="userSpaceOnUse" orient="auto"><path d="M0,0L6,3L0,6z" style="fill:#4f46e5;stroke:none"/></marker></defs>
<rect width="100%" height="100%" fill="#fff"/>
<text x="${LEFT}" y="18">Rooms of src/, the share of the lines each has, and who imports from whom. All arrows point down.</text>
${[...arcs, ...bars].join('\n')}
</svg>
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const svg = draw(readHouse());
  if (!process.argv.includes('--check')) writeFileSync(FILE, svg);
  else if (readFileSync(FILE, 'utf8') !== svg) {
    console.error('docs/images/rooms.svg is not what the imports say; node scripts/rooms.mjs draws it anew');
    process.exitCode = 1;
  }
}
