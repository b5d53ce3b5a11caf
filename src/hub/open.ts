/** From a name to a folder: which names are those of models on the hub, and what comes before the hub. */
import { env } from '../base/env.js';
import { expected } from '../base/errors.js';
import type { Folder } from '../base/folder.js';
import { type HubOptions, MODEL_NAME } from '../base/hub-options.js';
import type { Platform } from '../base/platform.js';
import { hubPlace, placed } from './names.js';

export type OpenOptions = NonNullable<Parameters<NonNullable<Platform['openFolder']>>[1]>;

interface Places {
  /** A folder by its path or URL. */
  open(path: string, options: OpenOptions): Promise<Folder>;
  /** Whether there is such a folder; left out where that cannot be told before a file is asked for. */
  isFolder?(path: string): Promise<boolean>;
  /** The hub's address. */
  host(): string;
  /** @param local what is asked for a file before the hub is */
  openHub(name: string, options: HubOptions, local?: Folder): Promise<Folder>;
}

/**
 * `org/name` is a model of the hub, unless there is a folder of that name, and so is the address of its page; everything else
 * is a path or URL.
 */
export async function openByName(name: string, options: OpenOptions, places: Places): Promise<Folder> {
  const { open, isFolder, openHub } = places;
  const place = hubPlace(name, places.host());
  if (place !== undefined && !(await isFolder?.(name))) {
    const { named, ...given } = options;
    return openHub(place.repo, placed(place, given));
  }
  if (options.named !== undefined || !MODEL_NAME.test(name)) return open(name, options);
  if (!env.allowLocalModels) return openHub(name, options);
  if (await isFolder?.(name)) return open(name, options);
  if (env.localModelPath === null) return openHub(name, options);
  const beside = `${env.localModelPath.replace(/\/?$/, '/')}${name}`;
  if (isFolder === undefined) return openHub(name, options, await open(beside, {}));
  return (await isFolder(beside)) ? open(beside, options) : openHub(name, options);
}

/** A folder in a folder. @throws MobileNetError ARG unless it is a plain relative path */
export function within(folder: Folder, subfolder: string | undefined): Folder {
  if (subfolder === undefined || subfolder === '') return folder;
  if (typeof subfolder !== 'string' || subfolder.split('/').some((part) => /^(|\.|\.\.)$|[\\:]/.test(part))) {
    throw expected('subfolder', 'a plain relative path', subfolder);
  }
  const inside = (file: string) => `${subfolder}/${file}`;
  return {
    name: `${folder.name}/${subfolder}`,
    read: (file, signal, most) => folder.read(inside(file), signal, most),
    alternative: async (signal) => {
      const other = await folder.alternative?.(signal);
      return other && within(other, subfolder);
    },
  };
}
