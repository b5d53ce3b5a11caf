/** Finds the browsers that the tests of this folder drive. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The path of a program in PATH, by one of its names; undefined without one, which is said. */
export function findBrowser(...names: string[]): string | undefined {
  const files = (process.env.PATH ?? '').split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  const found = files.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (found === undefined) console.log(`no ${names[0]} in PATH: the tests in it are left out`);
  return found;
}

export const findChromium = (): string | undefined => findBrowser('chromium', 'chromium-browser', 'google-chrome');
