/** `inference.GRPCInferenceService`: each method asks the service of v2/ and says what went wrong as a status. */
import type {
  handleUnaryCall,
  Metadata,
  ServerUnaryCall,
  ServiceError,
  sendUnaryData,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { asServeError, publicMessage, ServeError, sayingOf } from '../errors.js';
import { HEADER } from '../v2/binary.js';
import { SERVER } from '../v2/metadata.js';
import type { InferenceService } from '../v2/service.js';
import { fromBody, type ModelInferRequest, type ModelInferResponse, toBody } from './messages.js';
import { type InferStream, serveStream } from './stream.js';

export interface MethodsOptions {
  service: InferenceService;
  /** True while requests are answered. */
  ready(): boolean;
  /** Whether a call may ask; throws ServeError where not. */
  admit(metadata: Metadata): void;
  /** How many requests of a stream are read ahead of their answers. */
  ahead: number;
  /** Hears of faults of ours. */
  onFault(error: ServeError): void;
}

/** What a call of either kind has. */
type AnyCall = ServerUnaryCall<unknown, unknown> | InferStream;
interface NameAndVersion {
  name: string;
  version: string;
}

export class Methods {
  readonly #options: MethodsOptions;
  readonly #streams = new Set<{ stop(): Promise<void> }>();

  constructor(options: MethodsOptions) {
    this.#options = options;
  }

  /** By the names of grpc_service.proto. What is not here is answered UNIMPLEMENTED. */
  implementation(): UntypedServiceImplementation {
    const { service, ready } = this.#options;
    return {
      ServerLive: this.#unary(() => ({ live: true })),
      ServerReady: this.#unary(() => ({ ready: ready() })),
      ModelReady: this.#unary<NameAndVersion>(({ name, version }) => {
        service.find(name, version);
        return { ready: ready() };
      }),
      ServerMetadata: this.#unary(() => SERVER),
      ModelMetadata: this.#unary<NameAndVersion>(({ name, version }) => service.metadata(name, version)),
      ModelConfig: this.#unary<NameAndVersion>(({ name, version }) => ({ config: service.config(name, version) })),
      ModelStatistics: this.#unary<NameAndVersion>(({ name, version }) => service.statistics(name, version)),
      RepositoryIndex: this.#unary(() => ({ models: service.index() })),
      ModelInfer: this.#unary<ModelInferRequest>((request, call) => this.#infer(request, call, givenUp(call))),
      ModelStreamInfer: (call: InferStream) => this.#stream(call),
    };
  }

  /** Answers what streams have sent, and ends them. */
  async stopStreams(): Promise<void> {
    await Promise.all([...this.#streams].map((stream) => stream.stop()));
  }

  #unary<Request>(
    work: (request: Request, call: ServerUnaryCall<Request, unknown>) => unknown,
  ): handleUnaryCall<Request, unknown> {
    return async (call: ServerUnaryCall<Request, unknown>, callback: sendUnaryData<unknown>) => {
      try {
        this.#options.admit(call.metadata);
        callback(null, await work(call.request, call));
      } catch (error) {
        callback(this.#status(error));
      }
    };
  }

  #stream(call: InferStream): void {
    try {
      this.#options.admit(call.metadata);
    } catch (error) {
      call.emit('error', this.#status(error));
      return;
    }
    const signal = givenUp(call);
    const answer = (request: ModelInferRequest) =>
      this.#infer(request, call, signal).then(
        (infer_response) => ({ error_message: '', infer_response }),
        (error) => ({ error_message: this.#status(error).details ?? '' }),
      );
    const stream = serveStream(call, answer, this.#options.ahead);
    this.#streams.add(stream);
    call.on('close', () => this.#streams.delete(stream));
    signal.addEventListener('abort', () => this.#streams.delete(stream));
  }

  async #infer(request: ModelInferRequest, call: AnyCall, signal: AbortSignal): Promise<ModelInferResponse> {
    const { service } = this.#options;
    const model = service.find(request.model_name, request.model_version);
    const { body, header } = toBody(request);
    const left = millisecondsLeft(call);
    const options = left === undefined ? { signal } : { signal, deadline: left };
    const answer = await service.infer(model, body, header, options);
    return fromBody(answer.body, Number(answer.headers[HEADER]));
  }

  #status(error: unknown): Partial<ServiceError> {
    const own = asServeError(error);
    const { grpc } = sayingOf(own.kind);
    if (own.kind === 'INTERNAL') this.#options.onFault(own);
    return { code: grpc, details: publicMessage(own) };
  }
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
