/** The gRPC server: Open Inference Protocol, and the health service that Kubernetes asks. */
import { isIPv6 } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Metadata, Server, ServiceClientConstructor } from '@grpc/grpc-js';
import type { ServeError } from '../errors.js';
import type { InferenceService } from '../v2/service.js';
import { loadPeers } from './peers.js';
import { Methods } from './service.js';

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
  /** How many requests of a stream are read ahead of their answers. */
  ahead: number;
  /** Whether a call may ask; throws ServeError where not. Health is told to anybody. */
  admit(metadata: Metadata): void;
  onFault(error: ServeError): void;
}

export interface GrpcServer {
  port: number;
  /** Takes no more calls, and ends when those that were taken are answered. */
  close(): Promise<void>;
}

/** @throws Error where a package of gRPC is missing, or the port is taken */
export async function startGrpc(options: GrpcOptions): Promise<GrpcServer> {
  const { grpc, loader, health } = await loadPeers();
  const definition = grpc.loadPackageDefinition(await loader.load(PROTO, LOADING));
  const { inference } = definition as unknown as {
    inference: { GRPCInferenceService: ServiceClientConstructor };
  };
  const server = new grpc.Server({
    'grpc.max_receive_message_length': options.bodyLimit,
    'grpc.max_concurrent_streams': 128,
    // Finds clients whose machine went away.
    'grpc.keepalive_time_ms': 60_000,
  });
  let closing = false;
  const methods = new Methods({ ...options, ready: () => !closing });
  server.addService(inference.GRPCInferenceService.service, methods.implementation());
  const probes = new health.HealthImplementation({ '': 'SERVING', [SERVICE]: 'SERVING' });
  probes.addToServer(server);
  const { host } = options;
  const port = await bind(server, `${isIPv6(host) ? `[${host}]` : host}:${options.port}`, grpc);
  return {
    port,
    close: async () => {
      closing = true;
      for (const name of ['', SERVICE]) probes.setStatus(name, 'NOT_SERVING');
      const ended = new Promise<void>((resolve, reject) =>
        server.tryShutdown((error) => (error === undefined ? resolve() : reject(error))),
      );
      await methods.stopStreams();
      await ended;
    },
  };
}

function bind(server: Server, address: string, grpc: typeof import('@grpc/grpc-js')): Promise<number> {
  return new Promise((resolve, reject) =>
    server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    ),
  );
}
