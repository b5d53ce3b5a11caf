/**
 * Owns the models. Pictures come in, answers go out, and the page never waits for a convolution. One call is done after
 * the other, in the order they came.
 */
import { highlight, what, where } from './answers.js';
import { adopt, configure, onProgress, open, prepared, restore, see } from './models.js';
import type { Calls, LayerRow, Request, Response } from './protocol.js';
import { tilesOf } from './tiles.js';
import { timesByLayer } from './timing.js';

type Promised = { [Name in keyof Calls]: (...args: Parameters<Calls[Name]>) => Promise<ReturnType<Calls[Name]>> };

const calls: Promised = {
  configure: async (settings) => configure(settings),
  open: async (task) => (await open(task)).info,
  adopt,
  restore: async () => restore(),

  async see(image) {
    const { width, height } = await see(image);
    return { width, height };
  },

  what,
  where,
  highlight,

  async layers(task) {
    const { pipeline, pixels } = await prepared(task);
    const { model } = pipeline;
    const { steps } = await model.profile({ pixel_values: pixels }, { runs: 3 });
    const { ms, within } = timesByLayer(model.graph.nodes, steps);
    return model.layers(pixels.dims as [number, number, number, number]).map(
      (layer): LayerRow => ({
        ...{ name: layer.name, op: layer.op, description: layer.description, dims: layer.dims },
        block: /^(conv_stem|layer\.\d+|segmentation_head)\./.exec(layer.name)?.[1] ?? layer.name,
        parameters: layer.parameters,
        multiplyAdds: layer.multiplyAdds,
        sees: layer.receptiveField?.width.size ?? null,
        ms: ms.get(layer.name) ?? null,
        within: within.get(layer.name) ?? null,
      }),
    );
  },

  async tiles(task, name) {
    const { pipeline, pixels } = await prepared(task);
    const activations = await pipeline.model.activations(pixels, [name]);
    return tilesOf(activations.get(name)!);
  },
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
