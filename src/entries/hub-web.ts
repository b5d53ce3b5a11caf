/**
 * `mobilenet-v2/hub` outside Node. Importing it is enough for `pipeline(task, 'org/name')`; it is an entry of its own,
 * as an application that hosts its model does without it.
 */
import { env } from '../base/env.js';
import { withHub } from '../platforms/web-hub.js';
import './main-web.js';

env.platform.openFolder = withHub(env.platform.openFolder!);

export type { HubOptions, HubSettings, ProgressInfo, ResponseCache } from '../base/hub-options.js';
export { hubFolder } from '../platforms/web-hub.js';
