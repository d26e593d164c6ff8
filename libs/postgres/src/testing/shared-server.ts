import { spawn } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { EmbeddedPostgres } from '../embedded/embedded-postgres.js';
import { EmbeddedPostgresError } from '../embedded/embedded-postgres-error.js';
import { FolderLock } from '../embedded/folder-lock.js';
import { migrate } from '../migrate.js';
import { withDatabase } from './database-url.js';
import { THROWAWAY_SETTINGS } from './test-postgres.js';

/** Migrated once per run; every test database is a copy of it. */
export const TEMPLATE_DATABASE = 'tunan_template';

const TURN_TIMEOUT_MS = 60_000;
const POLL_MS = 20;

/**
 * Ends the server when the test run is over, however it ended: `$1` is the run's process, `$2` the server's, `$3` the
 * folder. A shell, because a test file may not outlive its run and every machine with PostgreSQL has one.
 */
const REAPER = `
while kill -0 "$1" 2>/dev/null; do sleep 1; done
kill -INT "$2" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$2" 2>/dev/null || break; sleep 1; done
kill -QUIT "$2" 2>/dev/null
rm -rf "$3" "$3.lock"`;

/**
 * URL of the embedded server of this test run. Whichever test file comes first starts it; processes of the same run
 * find it by the process id of the run.
 */
export const sharedServer = async (): Promise<string> => {
  // A Jest worker is a child with an IPC channel; without workers the tests run in Jest's own process.
  const runPid = process.send === undefined ? process.pid : process.ppid;
  const folder = join(tmpdir(), `tunan-test-postgres-${process.getuid?.() ?? 0}-${runPid}`);
  const urlPath = join(folder, 'url');
  const turn = await takeTurn(`${folder}.lock`, folder);
  try {
    const running = await readFile(urlPath, 'utf8').catch(() => undefined);
    if (running !== undefined && (await answers(running))) return running;
    // Left over from a run that had the same process id.
    await rm(folder, { recursive: true, force: true });
    const server = await EmbeddedPostgres.start({
      dir: folder,
      settings: { ...THROWAWAY_SETTINGS, max_connections: '200' },
    });
    const reaper = spawn('sh', ['-c', REAPER, 'sh', String(runPid), String(server.pid), folder], {
      detached: true,
      stdio: 'ignore',
    });
    reaper.unref();
    await createTemplate(server.url);
    await writeFile(urlPath, server.url, { mode: 0o600 });
    return server.url;
  } finally {
    turn.release();
  }
};

const takeTurn = async (path: string, folder: string): Promise<FolderLock> => {
  const deadlineMs = performance.now() + TURN_TIMEOUT_MS;
  for (;;) {
    try {
      return FolderLock.acquire(path, folder);
    } catch (error) {
      if (!(error instanceof EmbeddedPostgresError) || performance.now() >= deadlineMs) throw error;
      await sleep(POLL_MS);
    }
  }
};

const createTemplate = async (url: string): Promise<void> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`CREATE DATABASE ${TEMPLATE_DATABASE}`);
  await client.end();
  await migrate(withDatabase(url, TEMPLATE_DATABASE));
};

const answers = async (url: string): Promise<boolean> => {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
};
