/** The page's end of the line to its worker: a call is a promise. */
import { t } from './i18n.js';
import { type Calls, callNames, type Progress, type Request, type Response } from './protocol.js';

export type Client = {
  [Name in keyof Calls]: (...args: Parameters<Calls[Name]>) => Promise<ReturnType<Calls[Name]>>;
};

export function connect(worker: Worker, onProgress: (progress: Progress) => void): Client {
  const waiting = new Map<number, { resolve(value: unknown): void; reject(reason: Error): void }>();
  let last = 0;
  worker.onmessage = ({ data }: MessageEvent<Response>) => {
    if ('progress' in data) return onProgress(data.progress);
    const promise = waiting.get(data.id);
    waiting.delete(data.id);
    if ('error' in data) promise?.reject(new Error(data.error));
    else promise?.resolve(data.result);
  };
  worker.onerror = (event) => {
    for (const { reject } of waiting.values()) reject(new Error(event.message || t('error.worker')));
    waiting.clear();
  };
  const call = (name: keyof Calls, args: unknown[]) =>
    new Promise((resolve, reject) => {
      const id = ++last;
      waiting.set(id, { resolve, reject });
      const request: Request = { id, call: name, args };
      worker.postMessage(
        request,
        args.filter((arg) => arg instanceof ImageBitmap),
      );
    });
  return Object.fromEntries(callNames.map((name) => [name, (...args: unknown[]) => call(name, args)])) as Client;
}
