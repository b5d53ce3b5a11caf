/** What the files are called that `segment` and `classify --explain` write, decided for all pictures before the first is written. */
import { join, parse, resolve } from 'node:path';
import { isUrl, type Picture, STANDARD_INPUT } from './pictures.js';

/**
 * With the kind `mask`, `a/cat.png` gives `cat.mask.png`; if `b/cat.jpg` is there too, it gives `cat-2.mask.png`. No two pictures share a
 * name, and none of the names is that of a picture: such a picture is a result of an earlier run over the same folder,
 * and comes back in `own`.
 */
export function resultPaths<Kind extends string>(
  pictures: readonly Picture[],
  folder: string,
  kinds: readonly Kind[],
): { paths: Map<Picture, Record<Kind, string>>; own: Set<Picture> } {
  const natural = new Set(pictures.map(({ file }) => key(nameOf(file))));
  const taken = new Set<string>();
  const bySource = new Map<string, Record<Kind, string>>();
  const paths = new Map<Picture, Record<Kind, string>>();
  for (const picture of pictures) {
    const source = resolve(picture.file);
    let result = bySource.get(source);
    if (result === undefined) {
      let name = nameOf(picture.file);
      for (let n = 2; taken.has(key(name)); n++) {
        const numbered = `${nameOf(picture.file)}-${n}`;
        if (!natural.has(key(numbered))) name = numbered;
      }
      taken.add(key(name));
      const named = kinds.map((kind) => [kind, join(folder, `${name}.${kind}.png`)]);
      result = Object.fromEntries(named) as Record<Kind, string>;
      bySource.set(source, result);
    }
    paths.set(picture, result);
  }
  const written = new Set(
    [...bySource.values()].flatMap((files) => Object.values<string>(files).map((file) => resolve(file))),
  );
  return { paths, own: new Set(pictures.filter(({ file }) => written.has(resolve(file)))) };
}

function nameOf(file: string): string {
  if (file === STANDARD_INPUT) return 'stdin';
  return shortened(parse(isUrl(file) ? new URL(file).pathname : file).name) || 'picture';
}

/** Bytes of a name, of the 255 that most file systems allow, so that `-2` and `.overlay.png` have room after it. */
const LONGEST = 230;

/** As many letters as fit. */
function shortened(name: string): string {
  let bytes = 0;
  let text = '';
  for (const letter of name) {
    bytes += Buffer.byteLength(letter);
    if (bytes > LONGEST) return text;
    text += letter;
  }
  return name;
}

/** Names that some file systems take for the same. */
const key = (name: string): string => name.normalize('NFC').toLowerCase();
