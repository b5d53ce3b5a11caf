/** `inference.GRPCInferenceService`: each method asks the service of v2/ and says what went wrong as a status. */
import type {
  handleUnaryCall,
  ServerUnaryCall,
  ServiceDefinition,
  ServiceError,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { asServeError, publicMessage, ServeError, sayingOf } from '../errors.js';
import { HEADER } from '../v2/binary.js';
import { SERVER } from '../v2/metadata.js';
import type { InferenceService } from '../v2/service.js';
import { inMilliseconds } from '../v2/timeout.js';
import { fromBody, type ModelInferRequest, type ModelInferResponse, toBody, valueIn } from './messages.js';
import { type InferStream, serveStream } from './stream.js';

export interface EndedCall {
  /** ModelInfer, … */
  method: string;
  /** Of the status: https://grpc.io/docs/guides/status-codes/ */
  code: number;
  milliseconds: number;
  fault?: ServeError;
}

export interface MethodsOptions {
  service: InferenceService;
  /** True while requests are answered. */
  ready(): boolean;
  /** How many requests of a stream are read ahead of their answers. */
  ahead: number;
  /** Hears of every call that ended, and of the error where it is a fault of ours. */
  onEnd(call: EndedCall): void;
}

/** What a call of either kind has. */
type AnyCall = ServerUnaryCall<unknown, unknown> | InferStream;
type Unary<Request> = (request: Request, call: ServerUnaryCall<Request, unknown>) => unknown;
interface NameAndVersion {
  name: string;
  version: string;
}
const OK = 0;

export class Methods {
  readonly #options: MethodsOptions;
  readonly #streams = new Set<{ stop(): Promise<void> }>();
  /** Calls that wait for their answer. */
  readonly #calls = new Set<Promise<void>>();

  constructor(options: MethodsOptions) {
    this.#options = options;
  }

  /** By the names of grpc_service.proto. What is not here is answered UNIMPLEMENTED. */
  implementation(): UntypedServiceImplementation {
    const { service, ready } = this.#options;
    const unary: Record<string, Unary<never>> = {
      ServerLive: () => ({ live: true }),
      ServerReady: () => ({ ready: ready() }),
      ModelReady: ({ name, version }: NameAndVersion) => ({ ready: service.find(name, version) && ready() }),
      ServerMetadata: () => SERVER,
      ModelMetadata: ({ name, version }: NameAndVersion) => service.metadata(name, version),
      ModelConfig: ({ name, version }: NameAndVersion) => ({ config: service.config(name, version) }),
      ModelStatistics: ({ name, version }: NameAndVersion) => service.statistics(name, version),
      RepositoryIndex: () => ({ models: service.index() }),
      ModelInfer: (request: ModelInferRequest, call) => this.#infer(request, call, givenUp(call)),
    };
    const methods = Object.entries(unary).map(([name, work]) => [name, this.#unary(name, work as Unary<unknown>)]);
    return { ...Object.fromEntries(methods), ModelStreamInfer: (call: InferStream) => this.#stream(call) };
  }

  /** Resolves when all that was asked is answered. Streams are ended for it. */
  async settle(): Promise<void> {
    await Promise.all([...this.#streams].map((stream) => stream.stop()));
    await Promise.all(this.#calls);
  }

  #unary(method: string, work: Unary<unknown>): handleUnaryCall<unknown, unknown> {
    return (call, callback) => {
      const answered = this.#answer(method, () => work(given(call.request), call)).then(
        (answer) => callback(null, answer),
        (status) => callback(status),
      );
      this.#calls.add(answered);
      answered.finally(() => this.#calls.delete(answered));
    };
  }

  /** Has work done for a call. @throws the status of what went wrong */
  async #answer<T>(method: string, work: () => T | Promise<T>): Promise<T> {
    const start = performance.now();
    const end = (code: number, fault?: ServeError) =>
      this.#options.onEnd({ method, code, milliseconds: performance.now() - start, ...(fault && { fault }) });
    try {
      const answer = await work();
      end(OK);
      return answer;
    } catch (error) {
      const own = asServeError(error);
      const { grpc: code } = sayingOf(own.kind);
      end(code, own.kind === 'INTERNAL' ? own : undefined);
      throw { code, details: publicMessage(own) } satisfies Partial<ServiceError>;
    }
  }

  #stream(call: InferStream): void {
    const signal = givenUp(call);
    const answer = (request: ModelInferRequest) =>
      this.#answer('ModelStreamInfer', () => this.#infer(given(request), call, signal)).then(
        (infer_response) => ({ error_message: '', infer_response }),
        ({ details }) => ({ error_message: details }),
      );
    const stream = serveStream(call, answer, this.#options.ahead);
    this.#streams.add(stream);
    stream.ended.then(() => this.#streams.delete(stream));
  }

  async #infer(request: ModelInferRequest, call: AnyCall, signal: AbortSignal): Promise<ModelInferResponse> {
    const { service } = this.#options;
    const model = service.find(request.model_name, request.model_version);
    const { body, header } = toBody(request);
    const left = millisecondsLeft(call);
    const timeout = inMilliseconds(valueIn(request.parameters.timeout));
    const options = { signal, timeout, ...(left !== undefined && { deadline: left }) };
    const answer = await service.infer(model, body, header, options);
    return fromBody(answer.body, Number(answer.headers[HEADER]));
  }
}

/**
 * The service, where a message that cannot be read comes to its method as an error, see `given`: grpc-js itself would say
 * INTERNAL, as if it were a fault of ours.
 */
export function readable(service: ServiceDefinition): ServiceDefinition {
  const methods = Object.entries(service).map(([name, method]) => {
    const requestDeserialize = (bytes: Buffer): unknown => {
      try {
        return method.requestDeserialize(bytes);
      } catch (error) {
        return new ServeError('BAD_REQUEST', `expected a request of ${name}, got ${bytes.length} other bytes`, error);
      }
    };
    return [name, { ...method, requestDeserialize }];
  });
  return Object.fromEntries(methods);
}

function given<Request>(request: Request): Request {
  if (request instanceof ServeError) throw request;
  return request;
}

/** Says that the client gave a call up, or that its deadline is over. */
function givenUp(call: AnyCall): AbortSignal {
  const controller = new AbortController();
  if (call.cancelled) controller.abort();
  call.on('cancelled', () => controller.abort());
  return controller.signal;
}

/** Until the client's own deadline; undefined where it has none. */
function millisecondsLeft(call: AnyCall): number | undefined {
  const deadline = Number(call.getDeadline());
  if (!Number.isFinite(deadline)) return undefined;
  const left = deadline - Date.now();
  if (left <= 0) throw new ServeError('DEADLINE', 'the deadline is over');
  return left;
}
