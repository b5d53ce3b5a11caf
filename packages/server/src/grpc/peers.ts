/** The packages of gRPC. They are optional: most servers speak HTTP alone. */
import type * as Grpc from '@grpc/grpc-js';
import type * as Loader from '@grpc/proto-loader';
import type * as Health from 'grpc-health-check';
import { ServeError } from '../errors.js';

export interface Peers {
  grpc: typeof Grpc;
  loader: typeof Loader;
  health: typeof Health;
}

const NAMES = ['@grpc/grpc-js', '@grpc/proto-loader', 'grpc-health-check'];

/** @throws ServeError that names the packages where one is missing */
export async function loadPeers(load: (name: string) => Promise<unknown> = (name) => import(name)): Promise<Peers> {
  try {
    // They are CommonJS: all that they export is in `default`.
    const [grpc, loader, health] = await Promise.all(
      NAMES.map(async (name) => ((await load(name)) as { default: unknown }).default),
    );
    return { grpc, loader, health } as Peers;
  } catch (cause) {
    if ((cause as { code?: string }).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    const message = `--grpc-port: expected the packages ${NAMES.join(', ')}; npm install ${NAMES.join(' ')}`;
    throw new ServeError('BAD_REQUEST', message, cause);
  }
}
