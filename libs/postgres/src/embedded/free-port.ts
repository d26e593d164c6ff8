import { createServer } from 'node:net';
import { EmbeddedPostgresError, errnoCode } from './embedded-postgres-error.js';

export const LOOPBACK = '127.0.0.1';

/**
 * Checks that a loopback port is free, or finds one that is. Between this and the server's own listen somebody else
 * may take it; the server's start then fails.
 */
export const freePort = (wanted = 0): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.unref();
    probe.once('error', (error) => {
      const reason = errnoCode(error) === 'EADDRINUSE' ? 'is taken' : `can't be used (${error.message})`;
      reject(
        new EmbeddedPostgresError(`port ${wanted} on ${LOOPBACK} ${reason}; choose another one`, {
          cause: error,
        }),
      );
    });
    probe.listen(wanted, LOOPBACK, () => {
      const address = probe.address();
      const port = typeof address === 'object' && address !== null ? address.port : wanted;
      probe.close(() => resolve(port));
    });
  });
