/** Servers on this computer. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Loopback {
  readonly port: number;
  /** Without a slash at its end. */
  readonly origin: string;
  /** Breaks off what is open. */
  close(): Promise<void>;
}

/** Lets a server listen on a free port. */
export async function listen(server: Server): Promise<Loopback> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The same until the test ends. */
export async function listenInTest(server: Server): Promise<Loopback> {
  const loopback = await listen(server);
  onTestFinished(() => void loopback.close()); // tunnels of a proxy may stay open for longer
  return loopback;
}
