/** A picture thread: is told once how to prepare pictures, then prepares those it is sent. See picture-threads.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { env } from '../base/env.js';
import { MobileNetError } from '../base/errors.js';
import { readPicture } from '../platforms/node/files.js';
import type { Answer, Order, WorkerStart } from '../platforms/node/picture-threads.js';
import { nodePlatform } from '../platforms/node/platform.js';
import { type Preparation, prepareFile } from '../platforms/node/prepare.js';
import { ReadingMemory } from '../platforms/node/reading.js';
import { MobileNetV2ImageProcessor } from '../processors/image-processor.js';
import { type NetworkParts, type Run, runnerOf } from './network-parts.js';

const { limits } = workerData as WorkerStart;
/** Pictures come one after another, and each is done before the next is read. */
const memory = new ReadingMemory();
env.platform = { ...nodePlatform, readFile: (path, limit, signal) => readPicture(path, limit, signal, memory) };
Object.assign(env.limits, limits);
env.onWarning = (warning) => parentPort!.postMessage({ warning } satisfies Answer);

let preparation: Preparation;
let run: Promise<Run> | null;

/** One after another: decoding is not sped up by having many files in memory. */
let turn = Promise.resolve();
parentPort!.on('message', (order: Order) => {
  if ('processor' in order) {
    preparation = { ...order, processor: MobileNetV2ImageProcessor.from_dict(order.processor) };
    run = order.network === null ? null : runnerOf(order.network as NetworkParts);
    run?.catch(() => {}); // told with each picture
  } else {
    turn = turn.then(() => answer(order.id, order.file));
  }
});

async function answer(id: number, file: string): Promise<void> {
  try {
    const { pixel_values, image } = await prepareFile(file, preparation);
    const { data, dims } = run === null ? pixel_values! : await (await run)(pixel_values!);
    const tensor = { data, dims }; // a class would arrive without its methods
    const tensors = run === null ? { pixel_values: tensor, output: null } : { pixel_values: null, output: tensor };
    const prepared: Answer = { id, ...tensors, image: image && { ...image } };
    parentPort!.postMessage(prepared, [...owned(data), ...(image ? owned(image.data) : [])]);
  } catch (error) {
    parentPort!.postMessage({ id, error: describe(error) } satisfies Answer);
  }
}

/** The buffer of an array that has it to itself, and may be moved in place of copied. */
function owned({ buffer, byteLength }: Uint8Array | Uint8ClampedArray | Float32Array): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [];
}

/** An error as plain data: cloning would keep neither its class nor its fields. */
function describe(error: unknown) {
  const { name, message, stack = '' } = error instanceof Error ? error : new Error(String(error));
  if (!(error instanceof MobileNetError)) return { name, message, stack };
  const { code, file, tensor, offset, names } = error;
  return { name, message, stack, code, place: { file, tensor, offset, names } };
}
