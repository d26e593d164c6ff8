import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedPostgres, type EmbeddedPostgresOptions } from '../embedded/embedded-postgres.js';

/** Nothing that a test writes has to survive the machine. */
export const THROWAWAY_SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
} as const;

/** A server that one test owns alone and may stop, kill or restart. */
export interface TestPostgres {
  /** The running server; replaced by `restart`. */
  readonly server: EmbeddedPostgres;
  readonly url: string;
  readonly dir: string;
  /** Starts the server again on the same port, after a stop or a kill. */
  restart(): Promise<void>;
  /** Stops the server and removes its files. */
  destroy(): Promise<void>;
}

/** Starts a server of its own for a test, in a temporary folder. For anything less violent, take a test database. */
export const startTestPostgres = async (
  options: Omit<EmbeddedPostgresOptions, 'dir'> = {},
): Promise<TestPostgres> => {
  const root = await mkdtemp(join(tmpdir(), 'tunan-postgres-'));
  const dir = join(root, 'server');
  const start = (port?: number): Promise<EmbeddedPostgres> =>
    EmbeddedPostgres.start({
      ...options,
      dir,
      ...(port === undefined ? {} : { port }),
      settings: { ...THROWAWAY_SETTINGS, ...options.settings },
    });
  const removeFiles = (): Promise<void> => rm(root, { recursive: true, force: true });
  let server = await start(options.port).catch(async (error: unknown) => {
    await removeFiles();
    throw error;
  });
  return {
    dir,
    get server() {
      return server;
    },
    get url() {
      return server.url;
    },
    restart: async () => {
      await server.stop();
      server = await start(server.port);
    },
    destroy: async () => {
      await server.stop();
      await removeFiles();
    },
  };
};
