/**
 * Threads that take a picture from its file to what the network makes of it, each with a network of its own: between threads
 * go names and results, and no pixels. Where the picture is wanted for more than that, they decode and preprocess it while
 * the main thread's network is busy with earlier ones. Results are those of the main thread, errors too. A thread that dies
 * leaves its pictures to the main thread, so no picture is lost to it.
 */
import { Worker } from 'node:worker_threads';
import { env, warn } from '../../base/env.js';
import { type ErrorCode, type ErrorPlace, MobileNetError } from '../../base/errors.js';
import type { Limits } from '../../base/limits.js';
import { RawImage } from '../../images/raw-image.js';
import type { ProcessOptions } from '../../processors/image-processor.js';
import { Tensor } from '../../tensor/tensor.js';
import { type Preparation, type Prepared, prepareFile } from './prepare.js';

/** What a worker begins with. */
export interface WorkerStart {
  limits: Limits;
}

/** What it is told: first how to prepare pictures, then which. */
export type Order =
  | { processor: Record<string, unknown>; options: ProcessOptions; keepImage: boolean; network: unknown }
  | { id: number; file: string };

interface PlainError {
  name: string;
  message: string;
  stack: string;
  /** Of a MobileNetError. */
  code?: ErrorCode;
  place?: ErrorPlace;
}

type PlainTensor = Pick<Tensor<'float32'>, 'data' | 'dims'>;

/** What it answers. */
export type Answer =
  | { warning: string }
  | { id: number; error: PlainError }
  | {
      id: number;
      pixel_values: PlainTensor | null;
      output: PlainTensor | null;
      image: Pick<RawImage, 'data' | 'width' | 'height' | 'channels'> | null;
    };

interface Job {
  file: string;
  resolve(prepared: Prepared | Promise<Prepared>): void;
  reject(error: unknown): void;
}

interface Thread {
  worker: Worker;
  jobs: Map<number, Job>;
}

export class PictureThreads {
  readonly #threads = new Set<Thread>();
  #preparation!: Preparation;
  #count = 0;

  /**
   * Starts the threads, which load while the program does. They keep no program alive that waits for none of them.
   * @param program of a thread
   */
  constructor(count: number, program: URL) {
    for (let n = 0; n < count; n++) this.#start(program);
  }

  /**
   * Says how pictures are to be prepared; comes before the first.
   * @param network for `program`, which makes a network of it; null where pixels are wanted
   */
  configure(preparation: Preparation, network: unknown = null): void {
    this.#preparation = preparation;
    const { processor, options, keepImage } = preparation;
    for (const { worker } of this.#threads) {
      worker.postMessage({ processor: processor.to_dict(), options, keepImage, network } satisfies Order);
    }
  }

  /** A picture by path or URL, prepared by the thread that has the least to do. Rejects as `load_image` does. */
  prepare(file: string): Promise<Prepared> {
    const [thread] = [...this.#threads].sort((a, b) => a.jobs.size - b.jobs.size);
    if (thread === undefined) return prepareFile(file, this.#preparation);
    const id = this.#count++;
    thread.worker.ref();
    thread.worker.postMessage({ id, file } satisfies Order);
    return new Promise((resolve, reject) => thread.jobs.set(id, { file, resolve, reject }));
  }

  /** Ends the threads. Promises of what they have not finished stay pending. */
  close(): void {
    for (const { worker, jobs } of this.#threads) {
      jobs.clear();
      void worker.terminate();
    }
    this.#threads.clear();
  }

  #start(program: URL): void {
    const worker = new Worker(program, {
      workerData: { limits: env.limits } satisfies WorkerStart,
    });
    const thread: Thread = { worker, jobs: new Map() };
    this.#threads.add(thread);
    worker.on('message', (answer: Answer) => {
      if ('warning' in answer) return warn(answer.warning);
      const job = thread.jobs.get(answer.id);
      thread.jobs.delete(answer.id);
      if (thread.jobs.size === 0) worker.unref();
      if ('error' in answer) job?.reject(revive(answer.error));
      else job?.resolve(receive(answer));
    });
    worker.on('error', () => {}); // followed by exit
    worker.on('exit', () => {
      this.#threads.delete(thread);
      for (const { file, resolve } of thread.jobs.values()) resolve(prepareFile(file, this.#preparation));
    });
    // After the listeners: one for messages makes a thread count again, and a run without a model would never end.
    worker.unref();
  }
}

function receive({ pixel_values, output, image }: Extract<Answer, { image: unknown }>): Prepared {
  const tensor = (plain: PlainTensor | null) => plain && new Tensor('float32', plain.data, plain.dims);
  return {
    pixel_values: tensor(pixel_values),
    output: tensor(output),
    image: image && new RawImage(image.data, image.width, image.height, image.channels),
  };
}

function revive({ name, message, stack, code, place }: PlainError): Error {
  const error =
    code === undefined ? Object.assign(new Error(message), { name }) : new MobileNetError(code, message, place);
  error.stack = stack;
  return error;
}
