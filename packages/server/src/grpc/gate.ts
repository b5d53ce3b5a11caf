/**
 * What a call must pass before its messages are read, as requests of HTTP must: its token; for each message, whether there is
 * memory for it; and a clock for senders who are too slow.
 */
import type { Duplex } from 'node:stream';
import type * as Grpc from '@grpc/grpc-js';
import { asServeError, publicMessage, ServeError, sayingOf } from '../errors.js';
import type { EndedCall } from './service.js';

/** The memory of all bodies, those of HTTP too. */
export interface Bodies {
  /** @throws ServeError QUEUE_FULL where too many wait */
  admit(bytes: number): void;
  /** @returns what gives it back. @throws ServeError QUEUE_FULL where there is not enough left */
  hold(bytes: number): () => void;
}

export interface GateOptions {
  bodies: Bodies;
  /** Most bytes of a message. */
  bodyLimit: number;
  /** How long a client may take to send a message, in milliseconds. */
  requestTimeout: number;
  /** Whether a call may ask; throws ServeError where not. */
  admit(path: string, metadata: Grpc.Metadata): void;
  /** Hears of every call that is refused here. */
  onEnd(call: EndedCall): void;
}

/** The bytes of a call as they come, on grpc-js's innermost object. There is no public way to them. */
type Bytes = Pick<Duplex, 'on' | 'isPaused' | 'writableEnded'>;
const bytesOf = (call: object): Bytes | undefined => (call as { stream?: Bytes }).stream;

export const gate =
  ({ ServerInterceptingCall }: typeof Grpc, options: GateOptions): Grpc.ServerInterceptor =>
  (method, call) => {
    const began = performance.now();
    const refuse = (error: unknown): void => {
      const own = asServeError(error);
      const { grpc: code } = sayingOf(own.kind);
      call.sendStatus({ code, details: publicMessage(own) });
      const name = method.path.slice(method.path.lastIndexOf('/') + 1);
      options.onEnd({ method: name, code, milliseconds: performance.now() - began });
    };
    const messages = new Messages(options, !method.requestStream, refuse);
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            try {
              options.admit(method.path, metadata);
            } catch (error) {
              return refuse(error);
            }
            messages.watch(bytesOf(call));
            pass(metadata);
          },
          onReceiveHalfClose: (pass) => {
            messages.ended();
            pass();
          },
          // After every status, too.
          onCancel: () => messages.end(),
        }),
      // Every message has one answer, in order.
      sendMessage: (answer, next) => {
        messages.answered();
        // After a status that came from here, or from grpc-js, an answer would keep that from its client.
        if (!bytesOf(call)?.writableEnded) next(answer);
      },
    });
  };

/** Of each message: a byte that says whether it is packed, and its length. */
const HEAD = 5;

/** The messages of one call: each holds memory from its head to its answer, and must come in time. */
class Messages {
  readonly #options: GateOptions;
  readonly #single: boolean;
  readonly #refuse: (error: unknown) => void;
  readonly #held: (() => void)[] = [];
  readonly #head = Buffer.alloc(HEAD);
  #read = 0;
  /** Bytes of the present message that are still to come. */
  #left = 0;
  #timer: NodeJS.Timeout | undefined;
  #over = false;

  /** @param single whether the call has one message */
  constructor(options: GateOptions, single: boolean, refuse: (error: unknown) => void) {
    this.#options = options;
    this.#single = single;
    this.#refuse = refuse;
  }

  watch(bytes: Bytes | undefined): void {
    // A later grpc-js may have none there. Then each message has its limit, and their sum has not.
    if (bytes === undefined) return;
    if (this.#single) this.#wait(bytes);
    bytes.on('data', (chunk: Buffer) => this.#take(chunk, bytes));
  }

  /** The client sends no more. */
  ended(): void {
    clearTimeout(this.#timer);
  }

  answered(): void {
    this.#held.shift()?.();
  }

  #take(chunk: Buffer, bytes: Bytes): void {
    for (let at = 0; at < chunk.length && !this.#over; ) {
      if (this.#left > 0) {
        const part = Math.min(this.#left, chunk.length - at);
        this.#left -= part;
        at += part;
      } else {
        this.#head[this.#read++] = chunk[at++];
        if (this.#read < HEAD) continue;
        this.#read = 0;
        this.#begin(bytes);
      }
      // A single message has come when the client has ended.
      if (this.#left === 0 && !this.#single) clearTimeout(this.#timer);
    }
  }

  /** Before a message is read, where the answer is known. */
  #begin(bytes: Bytes): void {
    const { bodies, bodyLimit } = this.#options;
    this.#left = this.#head.readUInt32BE(1);
    // A packed one may become as large as any.
    const size = this.#head[0] === 0 ? this.#left : bodyLimit;
    try {
      // grpc-js has seen it first and refuses it, too.
      if (this.#left > bodyLimit) throw new ServeError('TOO_LARGE', `the message has more than ${bodyLimit} bytes`);
      // Those of a stream wait for their turn.
      if (this.#single) bodies.admit(size);
      this.#held.push(bodies.hold(size));
      this.#wait(bytes);
    } catch (error) {
      this.end();
      this.#refuse(error);
    }
  }

  #wait(bytes: Bytes): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      // It is this server that does not read.
      if (bytes.isPaused()) return this.#wait(bytes);
      this.end();
      this.#refuse(new ServeError('SLOW_SENDER', 'the request came too slowly'));
    }, this.#options.requestTimeout);
  }

  /** Nothing more is read. */
  end(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    for (const give of this.#held.splice(0)) give();
  }
}
