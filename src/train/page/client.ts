/** The page's end: pictures and orders go to the worker, and the page's own thread computes nothing. */
import { checkSignal } from '../../base/abort.js';
import { checkText } from '../../base/check.js';
import { requirePlatform } from '../../base/env.js';
import { type ErrorCode, MobileNetError } from '../../base/errors.js';
import { nameOf } from './pack.js';
import type {
  PagePicture,
  PageProgress,
  PageTrainingOptions,
  PageTrainingResult,
  Request,
  Response,
} from './protocol.js';

interface Waiting {
  resolve(value: unknown): void;
  reject(reason: unknown): void;
  onProgress?: ((progress: PageProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
}

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

/**
 * Training in a page. The worker is a file of the page's own, as a browser starts none from another site (a CDN) and every bundler
 * knows what a worker of the application is:
 *
 *     import 'mobilenet-v2'; // or 'mobilenet-v2/hub'
 *     import { serveTraining } from 'mobilenet-v2/train';
 *     serveTraining();
 *
 * and the page has `new PageTraining(new Worker(new URL('./worker.js', import.meta.url), { type: 'module' }))`.
 */
export class PageTraining {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.addEventListener('message', ({ data }: MessageEvent<Response>) => this.#answer(data));
    worker.addEventListener('error', (event) => {
      const message = `training: the worker could not be started: ${event.message || 'its file cannot be loaded'}`;
      this.#failAll(new MobileNetError('IO', message));
    });
  }

  /**
   * Adds a picture of a class. An ImageBitmap is closed afterwards.
   * @param name of a file; used in messages
   * @param recording of a frame: those of one recording are not spread over learning and evaluation, as neighbors are nearly the same
   * @returns how many pictures there are
   */
  async add(label: string, picture: PagePicture, name?: string, recording?: string): Promise<number> {
    checkText(label, 'label');
    if (recording !== undefined) checkText(recording, 'recording');
    const isBitmap = typeof ImageBitmap !== 'undefined' && picture instanceof ImageBitmap;
    return (await this.#call(
      { call: 'add', label, picture, name, recording },
      {},
      isBitmap ? [picture] : [],
    )) as number;
  }

  /** Forgets all pictures. */
  async clear(): Promise<void> {
    await this.#call({ call: 'clear' });
  }

  /**
   * Trains. A signal stops it at once, within a step too: a checkpoint of the steps before is written, the promise rejects with
   * the signal's reason, and `resume: true` goes on from there, also after the page was loaded anew and has the same pictures
   * again.
   */
  async train(
    options: PageTrainingOptions,
    how: { signal?: AbortSignal; progress_callback?: (progress: PageProgress) => void } = {},
  ): Promise<PageTrainingResult> {
    const { signal, progress_callback: onProgress } = how;
    checkSignal(signal);
    signal?.throwIfAborted();
    return (await this.#call({ call: 'train', options }, { signal, onProgress })) as PageTrainingResult;
  }

  /**
   * Gives the user a model as a ZIP file of its folder, by a download.
   * @param model `opfs:flowers`
   */
  async download(model: string): Promise<void> {
    checkText(model, 'model');
    const blob = (await this.#call({ call: 'pack', model })) as Blob;
    const bytes = new Uint8Array(await blob.arrayBuffer());
    await requirePlatform('offerFile', 'download')(`${nameOf(model)}.zip`, bytes, blob.type);
  }

  /** Ends the worker at once; what was not saved is lost. */
  dispose(): void {
    this.#worker.terminate();
    this.#failAll(new MobileNetError('DISPOSED', 'training: it was disposed'));
  }

  #call(
    request: WithoutId<Request>,
    { signal, onProgress }: Pick<Waiting, 'signal' | 'onProgress'> = {},
    transfer: Transferable[] = [],
  ): Promise<unknown> {
    const id = ++this.#last;
    const stop = () => this.#worker.postMessage({ id, call: 'stop' } satisfies Request);
    const answer = new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, onProgress, signal });
      this.#worker.postMessage({ id, ...request }, transfer);
      signal?.addEventListener('abort', stop, { once: true });
    });
    return answer.finally(() => signal?.removeEventListener('abort', stop));
  }

  #answer(response: Response): void {
    const waiting = this.#waiting.get(response.id);
    if (waiting === undefined) return;
    if ('progress' in response) {
      waiting.onProgress?.(response.progress);
      return;
    }
    this.#waiting.delete(response.id);
    if ('result' in response) waiting.resolve(response.result);
    else if ('stopped' in response) waiting.reject(waiting.signal?.reason);
    else waiting.reject(errorOf(response.error));
  }

  #failAll(error: MobileNetError): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

const errorOf = ({ code, message }: { code?: string; message: string }): Error =>
  code === undefined ? new Error(message) : new MobileNetError(code as ErrorCode, message);
