/** The gRPC server: Open Inference Protocol, and the health service that Kubernetes asks. */
import { isIPv6 } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Metadata, Server, ServiceClientConstructor } from '@grpc/grpc-js';
import { ServeError } from '../errors.js';
import { noToken, tokenCheck } from '../http/guard.js';
import type { InferenceService } from '../v2/service.js';
import { type Bodies, gate } from './gate.js';
import { loadPeers, type Peers } from './peers.js';
import { type EndedCall, Methods, readable } from './service.js';

// The same from src/grpc and from dist/grpc.
const PROTO = fileURLToPath(new URL('../../proto/grpc_service.proto', import.meta.url));
const SERVICE = 'inference.GRPCInferenceService';

/** int64 as numbers: shapes are small. Maps and lists that were not sent come as empty ones. */
const LOADING = { keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true } as const;

export interface GrpcOptions {
  service: InferenceService;
  host: string;
  /** 0 for any that is free. */
  port: number;
  /** Most bytes of a message, also of what it unpacks to. */
  bodyLimit: number;
  /** How long a client may take to send a message, in milliseconds. */
  requestTimeout: number;
  /** The memory of all bodies. */
  bodies: Bodies;
  /** What calls must carry as `authorization: Bearer …`; nothing when left out. Health is told to anybody. */
  token?: string;
  /** How many requests of a stream are read ahead of their answers. */
  ahead: number;
  /** Hears of every call that ended. */
  onEnd(call: EndedCall): void;
}

export interface GrpcServer {
  port: number;
  /** Says that it ends; calls are still answered. */
  end(): void;
  /** Takes no more calls, and ends when those that were taken are answered. */
  close(): Promise<void>;
}

/** How long answers may take to their clients at the end. */
const LAST_BYTES = 2_000;

/** @throws ServeError where a package of gRPC is missing, or the port is taken */
export async function startGrpc(options: GrpcOptions): Promise<GrpcServer> {
  const { grpc, loader, health } = await loadPeers();
  const definition = grpc.loadPackageDefinition(await loader.load(PROTO, LOADING));
  const { inference } = definition as unknown as { inference: { GRPCInferenceService: ServiceClientConstructor } };
  const server = new grpc.Server({
    'grpc.max_receive_message_length': options.bodyLimit,
    // One connection's.
    'grpc.max_concurrent_streams': 128,
    // Finds clients whose machine went away.
    'grpc.keepalive_time_ms': 60_000,
    interceptors: [gate(grpc, { ...options, admit: admission(options.token) })],
  });
  let ready = true;
  const methods = new Methods({ ...options, ready: () => ready });
  server.addService(readable(inference.GRPCInferenceService.service), methods.implementation());
  const probes = new health.HealthImplementation({ '': 'SERVING', [SERVICE]: 'SERVING' });
  probes.addToServer(server);
  const end = () => {
    if (!ready) return;
    ready = false;
    for (const name of ['', SERVICE]) probes.setStatus(name, 'NOT_SERVING');
  };
  const close = async () => {
    end();
    const ended = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    await methods.settle();
    let timer: NodeJS.Timeout | undefined;
    // A client may watch the health for ever. Nor does Node's HTTP/2 end a connection before its client does, forced or not.
    const forced = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        server.forceShutdown();
        resolve();
      }, LAST_BYTES);
    });
    await Promise.race([ended, forced]);
    clearTimeout(timer);
  };
  const { host } = options;
  const port = await bind(server, `${isIPv6(host) ? `[${host}]` : host}:${options.port}`, grpc);
  return { port, end, close };
}

/** The check of a call's token. Health is told to anybody. */
function admission(token: string | undefined): (path: string, metadata: Metadata) => void {
  const accepts = tokenCheck(token);
  return (path, metadata) => {
    if (!path.startsWith(`/${SERVICE}/`)) return;
    const [authorization] = metadata.get('authorization');
    if (!accepts(authorization?.toString())) throw noToken();
  };
}

function bind(server: Server, address: string, grpc: Peers['grpc']): Promise<number> {
  return new Promise((resolve, reject) =>
    server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error, port) =>
      error === null
        ? resolve(port)
        : reject(new ServeError('BAD_REQUEST', `gRPC cannot listen on ${address}: ${error.message}`, error)),
    ),
  );
}
