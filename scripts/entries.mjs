/**
 * What the package can be imported as. `src/entries/<name>-<platform>.ts` puts a platform in place and exports `<name>.ts`, where
 * there is one, or what it has itself. The build takes its entries from here, and test/package/entries.test.ts holds
 * package.json and the configuration of tools against this list.
 */

/** Platforms in the order in which `exports` asks for them, each with its conditions. The last one serves everybody else. */
export const CONDITIONS = { edge: ['workerd', 'edge-light'], node: ['node'], web: ['default'] };

/**
 * - `platforms`: those that have a file of their own; none where one file serves all
 * - `shared`: whether `<name>.ts` has the types for all platforms
 * - `bundle`: the file in dist/bundle that Node loads
 */
export const ENTRIES = [
  { subpath: '.', name: 'main', platforms: ['edge', 'node', 'web'], shared: true, bundle: 'node' },
  // For those whose bundler takes another platform.
  { subpath: './node', name: 'main', platforms: ['node'], shared: false, bundle: 'node' },
  { subpath: './convert', name: 'convert', platforms: ['node', 'web'], shared: false, bundle: 'convert' },
  { subpath: './hub', name: 'hub', platforms: ['node', 'web'], shared: false, bundle: 'hub' },
  { subpath: './image', name: 'image', platforms: ['edge', 'node', 'web'], shared: true, bundle: 'image' },
  { subpath: './quantize', name: 'quantize', platforms: [], shared: true, bundle: 'quantize' },
  { subpath: './train', name: 'train', platforms: [], shared: true, bundle: 'train' },
  { subpath: './ndarray', name: 'ndarray', platforms: [], shared: true, bundle: 'ndarray' },
];

/** The one file for pages without a bundler. */
export const CDN = { name: 'main-cdn', file: 'dist/mobilenet-v2.min.js' };

/** The module of an entry on a platform, without its folder and ending. */
export const moduleOf = ({ name, platforms }, platform) =>
  platforms.includes(platform) ? `${name}-${platform}` : name;

/** The module that has the types. */
export const typesOf = (entry, platform) => (entry.shared ? entry.name : moduleOf(entry, platform));

/** All modules of src/entries. */
export const MODULES = [
  ...new Set([
    CDN.name,
    ...ENTRIES.filter(({ shared }) => shared).map(({ name }) => name),
    ...ENTRIES.flatMap((entry) => entry.platforms.map((platform) => moduleOf(entry, platform))),
  ]),
].sort();

/** The modules of a platform: `modulesFor('web')`. */
export const modulesFor = (platform) => MODULES.filter((name) => name.endsWith(`-${platform}`));

/** What Node loads of each entry: files of dist/bundle, and the modules that they are made of. */
export const BUNDLES = Object.fromEntries(ENTRIES.map((entry) => [entry.bundle, moduleOf(entry, 'node')]));
