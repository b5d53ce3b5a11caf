/** ModelStreamInfer: requests as they come, answers in their order, both at the speed of the slower side. */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { ModelInferRequest, ModelInferResponse } from './messages.js';

export interface StreamResponse {
  error_message: string;
  infer_response?: ModelInferResponse;
}
export type InferStream = ServerDuplexStream<ModelInferRequest, StreamResponse>;

/**
 * Answers a stream until the client ends it, or `stop`, which answers what was read and ends it from here.
 * @param answer what a request gets; never throws: one that is refused does not end the stream
 * @param most how many requests are read ahead of their answers
 */
export function serveStream(
  call: InferStream,
  answer: (request: ModelInferRequest) => Promise<StreamResponse>,
  most: number,
): { stop(): Promise<void> } {
  let ahead = 0;
  let stopped = false;
  let last = Promise.resolve();
  const send = async (response: Promise<StreamResponse>): Promise<void> => {
    await written(call, await response);
    ahead--;
    if (!stopped) call.resume();
  };
  const stop = async (): Promise<void> => {
    stopped = true;
    call.pause();
    await last;
    call.end();
  };
  call.on('data', (request: ModelInferRequest) => {
    if (++ahead >= most) call.pause();
    const response = answer(request);
    last = last.then(() => send(response));
  });
  call.on('end', () => void stop());
  // Its client went away; `written` hears of it, too.
  call.on('error', () => {});
  return { stop };
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
