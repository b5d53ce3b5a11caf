/** ModelStreamInfer: requests as they come, answers in their order, both at the speed of the slower side. */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { ModelInferRequest, ModelInferResponse } from './messages.js';

export interface StreamResponse {
  error_message: string;
  infer_response?: ModelInferResponse;
}
export type InferStream = ServerDuplexStream<ModelInferRequest, StreamResponse>;

export interface AnsweredStream {
  /** Answers what was read, and ends the stream from here. */
  stop(): Promise<void>;
  ended: Promise<void>;
}

/**
 * Answers a stream until the client ends it or goes away.
 * @param answer what a request gets; never throws: one that is refused does not end the stream
 * @param most how many requests are read ahead of their answers
 */
export function serveStream(
  call: InferStream,
  answer: (request: ModelInferRequest) => Promise<StreamResponse>,
  most: number,
): AnsweredStream {
  let ahead = 0;
  let stopped = false;
  let last = Promise.resolve();
  const send = async (response: Promise<StreamResponse>): Promise<void> => {
    await written(call, await response);
    ahead--;
    if (!stopped) call.resume();
  };
  call.on('data', (request: ModelInferRequest) => {
    if (stopped) return;
    if (++ahead >= most) call.pause();
    const response = answer(request);
    last = last.then(() => send(response));
  });
  let tell: () => void;
  const ended = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const stop = async (): Promise<void> => {
    stopped = true;
    await last;
    call.end();
    tell();
  };
  call.on('end', stop);
  // Its client went away; `written` hears of it, too.
  for (const event of ['cancelled', 'error']) call.on(event, () => tell());
  return { stop, ended };
}

/** Writes, and waits where the client does not read. */
function written(call: InferStream, response: StreamResponse): Promise<void> {
  if (call.cancelled || call.write(response)) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of ['drain', 'cancelled', 'error', 'close']) call.removeListener(event, done);
      resolve();
    };
    for (const event of ['drain', 'cancelled', 'error', 'close']) call.on(event, done);
  });
}
