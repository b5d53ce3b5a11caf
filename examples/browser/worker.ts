/**
 * Owns the models. Pictures come in, answers go out, and the page never waits for a convolution. One call is done after
 * the other, in the order they came.
 */
import { highlight, what, where } from './answers.js';
import type { Client } from './client.js';
import { channel, evidence, figure, maps, value } from './inside/read.js';
import { adopt, adoptKept, configure, forgetKept, onProgress, open, restore, see } from './models.js';
import type { Request, Response } from './protocol.js';
import { kept, removeKept } from './teach/kept.js';

const calls: Client = {
  configure: async (settings) => configure(settings),
  open: async (task) => (await open(task)).info,
  adopt,
  restore: async () => restore(),
  see,
  what,
  kept,
  renewKept: async () => forgetKept(false),
  adoptKept,
  async removeKept() {
    await removeKept();
    forgetKept(true);
  },
  where,
  highlight,

  figure,
  maps,
  channel,
  value,
  evidence,
};

onProgress((progress) => self.postMessage({ progress } satisfies Response));

let last: Promise<unknown> = Promise.resolve();
self.onmessage = ({ data }: MessageEvent<Request>) => {
  last = last.then(() => answer(data));
};

async function answer({ id, call, args }: Request): Promise<void> {
  let response: Response;
  let result: unknown;
  try {
    result = await (calls[call] as (...args: unknown[]) => Promise<unknown>)(...args);
    response = { id, result };
  } catch (error) {
    response = { id, error: error instanceof Error ? error.message : String(error) };
  }
  const parts = Object.values(result ?? {});
  const transfer = parts.filter((value) => value instanceof ImageBitmap);
  self.postMessage(response, { transfer });
}
