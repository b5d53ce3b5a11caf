/** Downloads a model into the cache of its environment, as a process that can be killed. Prints the snapshot's path. */

import { env } from 'mobilenet-v2';
import { snapshot_download } from 'mobilenet-v2/hub';

env.network.backoff = 10;
console.log(await snapshot_download(process.argv[2] ?? 'org/dogs'));
