/** What can go wrong with a request, and how each protocol says so. One table; the protocols look up their own column. */

interface Saying {
  /** Status of an HTTP answer. */
  http: number;
  /** The same on Hugging Face's routes, where it differs: their JavaScript client asks again for ever after a 503. */
  huggingface?: number;
  /** Number of a gRPC status: https://grpc.io/docs/guides/status-codes/ */
  grpc: number;
  /** For `Retry-After`, in seconds. */
  retryAfter?: number;
}

const KINDS = {
  /** The request says something that cannot be. */
  BAD_REQUEST: { http: 400, grpc: 3 },
  /** No token, or a wrong one. */
  UNAUTHORIZED: { http: 401, grpc: 16 },
  /** A host that this server does not answer for. */
  FORBIDDEN: { http: 403, grpc: 7 },
  /** No such model, version or route. */
  NOT_FOUND: { http: 404, grpc: 5 },
  METHOD_NOT_ALLOWED: { http: 405, grpc: 12 },
  /** The sender was too slow. */
  SLOW_SENDER: { http: 408, grpc: 4 },
  /** Larger than a limit: the body, what it unpacks to, a picture. */
  TOO_LARGE: { http: 413, grpc: 8 },
  /** A picture's format, or a body's encoding, that the server cannot read. */
  UNSUPPORTED: { http: 415, grpc: 3 },
  /** As many requests wait as may. */
  QUEUE_FULL: { http: 503, huggingface: 429, grpc: 8, retryAfter: 1 },
  /** It waited longer than it may. */
  DEADLINE: { http: 504, grpc: 4 },
  /** It waited longer than its own `timeout` lets it: Triton's answer. */
  EXPIRED: { http: 503, grpc: 14 },
  /** The client went away. Nobody reads this status. */
  CANCELLED: { http: 499, grpc: 1 },
  /** The server ends. */
  CLOSING: { http: 503, grpc: 14, retryAfter: 1 },
  /** The worker died of this request, or beside it. */
  CRASHED: { http: 500, grpc: 13 },
  /** A fault of ours. */
  INTERNAL: { http: 500, grpc: 13 },
} as const satisfies Record<string, Saying>;

export type Kind = keyof typeof KINDS;

/** What went wrong with a request. The message goes to the client; that of INTERNAL and CRASHED does not. */
export class ServeError extends Error {
  readonly kind: Kind;

  constructor(kind: Kind, message: string, cause?: unknown) {
    // What a request says is cut short in it, maybe in the middle of a character. gRPC cannot send half of one.
    super(Buffer.from(message).toString(), cause === undefined ? undefined : { cause });
    this.name = 'ServeError';
    this.kind = kind;
  }
}

/** How protocols say it. */
export const sayingOf = (kind: Kind): Saying => KINDS[kind];

/** What a client may read of it. */
export const publicMessage = ({ kind, message }: { kind: Kind; message: string }): string =>
  kind === 'INTERNAL' || kind === 'CRASHED' ? 'internal error' : message;

/** Any error as one of ours. */
export const asServeError = (error: unknown): ServeError =>
  error instanceof ServeError ? error : new ServeError('INTERNAL', String(error), error);
