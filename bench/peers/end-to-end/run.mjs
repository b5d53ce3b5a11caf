/** Picture → label, and picture → pixels: `npm run bench:peers -- --end-to-end` and `--decode`. */
import { join } from 'node:path';
import { shippedIn } from '../../shipped.mjs';
import { CLASSIFIERS, choose, DECODERS } from './engines.mjs';
import { hasTransformers, NETWORK, writeNetwork, writePictures } from './files.mjs';
import { frames, processes } from './places.mjs';
import { benchRounds } from './rounds.mjs';

/** The largest first, as people ask. */
const PICTURES = ['12mp.jpg', '2mp.jpg', '1mp.jpg', '640x480.jpg', '256x256.jpg', '2mp.png'];

/**
 * @param options `{ tasks: ['label', 'decode', 'page'], modules, ours, node, python, chromium, folder, ids, pictures, rounds,
 *   budget, report }`
 * @returns rows of each task
 */
export async function benchEndToEnd({ tasks, modules, ours, node, python, chromium, folder, ids, pictures, ...how }) {
  how.report('making pictures and files of the network');
  const shelf = writePictures(python, folder);
  const network = await writeNetwork(modules, ours, folder);
  const files = PICTURES.filter((name) => pictures === undefined || pictures.includes(name)).map((name) => [
    name,
    join(shelf, name),
  ]);
  const common = {
    node,
    python,
    folder: network,
    ours: shippedIn(ours, node),
    image: shippedIn(ours, node, 'mobilenet-v2/image'),
  };
  const results = {};
  if (tasks.includes('label')) {
    const engines = choose(CLASSIFIERS, 'node', ids).filter((engine) => !engine.python || hasTransformers(python));
    results.label = await benchRounds(processes({ ...common, task: 'label' }), engines, files, how);
  }
  if (tasks.includes('page')) {
    const place = await frames({ executable: chromium, networks: folder, ours }, NETWORK);
    results.page = await benchRounds(place, choose(CLASSIFIERS, 'browser', ids), files, how);
  }
  if (tasks.includes('decode')) {
    const engines = choose(DECODERS, 'node', ids);
    results.decode = await benchRounds(processes({ ...common, task: 'decode' }), engines, files, how);
  }
  return results;
}
