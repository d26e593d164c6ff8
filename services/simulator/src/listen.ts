import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Simulator } from './serving/simulator.js';

/** A simulator with a listener of its own. */
export interface Listening {
  /** Base URL, without a trailing slash. */
  readonly url: string;
  /** Ends every call, closes the listener and the log. */
  stop(): Promise<void>;
}

const close = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

/**
 * Listens on the loopback interface.
 * @param port 0 takes a free one
 * @throws Error if the port is taken
 */
export const listen = async (simulator: Simulator, port: number): Promise<Listening> => {
  const server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 120_000 }, (request, response) =>
    simulator.handle(request, response),
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1', backlog: 4_096 }, resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      simulator.stop();
      await close(server);
      simulator.log.close();
    },
  };
};
