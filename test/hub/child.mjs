/** Downloads a model into the cache of its environment, as a process that can be killed. Prints the snapshot's path. */

import { snapshot_download } from '../../dist/bundle/hub.js';
import { env } from '../../dist/bundle/node.js';

env.network.backoff = 10;
console.log(await snapshot_download(process.argv[2] ?? 'org/dogs'));
