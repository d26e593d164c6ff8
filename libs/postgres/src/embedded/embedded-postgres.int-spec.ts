import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { EmbeddedPostgres, type EmbeddedPostgresOptions } from './embedded-postgres.js';
import { isAlive, stopPostmaster, waitUntil } from './postmaster.js';

const FIXTURES = fileURLToPath(new URL('../../fixtures/', import.meta.url));

// Real servers start, recover and stop here, beside whatever else the machine does.
jest.setTimeout(60_000);

interface HostReport {
  readonly pid: number;
  readonly port: number;
  readonly url: string;
  readonly signalListeners: readonly string[];
}

describe('EmbeddedPostgres', () => {
  let root: string;
  let dir: string;
  const servers: EmbeddedPostgres[] = [];
  const hosts: ChildProcess[] = [];
  const orphans: number[] = [];
  let initialised: string;

  beforeAll(async () => {
    initialised = await mkdtemp(join(tmpdir(), 'tunan-embedded-'));
    await (await EmbeddedPostgres.start({ dir: join(initialised, 'postgres') })).stop();
  });
  afterAll(() => rm(initialised, { recursive: true, force: true }));

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'tunan-embedded-'));
    dir = join(root, 'postgres');
  });

  afterEach(async () => {
    for (const host of hosts.splice(0))
      if (host.exitCode === null && host.signalCode === null) host.kill('SIGKILL');
    for (const server of servers.splice(0)) await server.stop();
    for (const pid of orphans.splice(0)) await stopPostmaster(pid, 5_000);
    await rm(root, { recursive: true, force: true });
  });

  /** A folder that has been used before: a copy, which is quicker than initialising one. */
  const useInitialisedFolder = (): Promise<void> =>
    cp(join(initialised, 'postgres'), dir, { recursive: true });

  const start = async (options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> => {
    const server = await EmbeddedPostgres.start({ dir, ...options });
    servers.push(server);
    return server;
  };

  /** Starts another process that holds an embedded server in `dir`. */
  const startHost = async (): Promise<{ process: ChildProcess; report: HostReport }> => {
    const args = [
      '--conditions=tunan-source',
      '--import',
      join(FIXTURES, 'typescript-hooks.mjs'),
      join(FIXTURES, 'host.mjs'),
      dir,
    ];
    const host = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: '/usr/bin:/bin' },
    });
    hosts.push(host);
    const [line] = (await once(host.stdout!.setEncoding('utf8'), 'data')) as [string];
    const report = JSON.parse(line) as HostReport;
    orphans.push(report.pid);
    return { process: host, report };
  };

  const query = async <Row extends object>(url: string, sql: string): Promise<Row[]> => {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Row>(sql)).rows;
    } finally {
      await client.end();
    }
  };

  it('keeps data across a stop and a start, behind a password that only the owner may read', async () => {
    const first = await start();
    expect(first.adopted).toBe(false);
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    expect(await isAlive(first.pid)).toBe(false);
    await first.stop();

    const second = await start();
    expect(await query(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    expect((await stat(join(dir, 'password'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(dir, 'data'))).mode & 0o077).toBe(0);
    const wrong = new URL(second.url);
    wrong.password = 'guess';
    await expect(query(wrong.toString(), 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
  });

  it('is durable, small and on loopback only', async () => {
    await useInitialisedFolder();
    const server = await start();
    const [settings] = await query(
      server.url,
      `SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit,
              current_setting('listen_addresses') AS listen, current_setting('unix_socket_directories') AS sockets,
              current_setting('max_connections') AS connections, current_setting('server_encoding') AS encoding`,
    );
    expect(settings).toEqual({
      fsync: 'on',
      commit: 'on',
      listen: '127.0.0.1',
      sockets: '',
      connections: '50',
      encoding: 'UTF8',
    });
  });

  // Guarantee: a host that was killed loses nothing and blocks nothing; its server goes on under the next host.
  it('adopts the server that a killed host left running, and stops it', async () => {
    await useInitialisedFolder();
    const host = await startHost();
    await query(host.report.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    host.process.kill('SIGKILL');
    await once(host.process, 'exit');

    const server = await start();
    expect(server).toMatchObject({ adopted: true, pid: host.report.pid, port: host.report.port });
    expect(await query(server.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    await server.stop();
    expect(await isAlive(host.report.pid)).toBe(false);
  });

  it('replaces a server that a killed host left on another port than the one asked for', async () => {
    await useInitialisedFolder();
    const host = await startHost();
    await query(host.report.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    host.process.kill('SIGKILL');
    await once(host.process, 'exit');

    const port = await unusedPort();
    const server = await start({ port });
    expect(server).toMatchObject({ adopted: false, port });
    expect(await isAlive(host.report.pid)).toBe(false);
    expect(await query(server.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('recovers from a server that was killed itself', async () => {
    await useInitialisedFolder();
    const first = await start();
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    process.kill(first.pid, 'SIGKILL');
    expect(await waitUntil(async () => !(await first.isRunning()), 5_000)).toBe(true);
    await first.stop();

    const second = await start();
    expect(second.adopted).toBe(false);
    expect(await query(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  // Guarantee: a reused process id is never mistaken for the server, and its owner never harmed.
  it('removes a pid file whose process is somebody else', async () => {
    await useInitialisedFolder();
    const pidFile = join(dir, 'data', 'postmaster.pid');
    await writeFile(
      pidFile,
      [process.pid, join(dir, 'data'), 0, 5432, '', '127.0.0.1', '', 'ready   ', ''].join('\n'),
    );
    const server = await start();
    expect(server.adopted).toBe(false);
    expect(await readFile(pidFile, 'utf8')).toMatch(new RegExp(`^${server.pid}\n`));
  });

  it('refuses a folder that another process uses', async () => {
    await useInitialisedFolder();
    await startHost();
    await expect(start()).rejects.toThrow(`${dir} is in use by another process`);
  });

  it('starts over after a first start that was interrupted', async () => {
    await mkdir(join(dir, 'data.new', 'base'), { recursive: true });
    const server = await start();
    expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  // Guarantee: the host's own handler is the only one; a Ctrl-C reaches the host first.
  it('registers no signal or exit handler and puts the server into a session of its own', async () => {
    await useInitialisedFolder();
    const { report } = await startHost();
    expect(report.signalListeners).toEqual([]);
    const stats = await readFile(`/proc/${report.pid}/stat`, 'utf8').catch(() => undefined);
    if (stats === undefined) return; // No /proc on this system.
    const [, , , session] = stats.slice(stats.lastIndexOf(')') + 2).split(' ');
    expect(Number(session)).toBe(report.pid);
  });

  it('hands nothing of the environment to the server', async () => {
    await useInitialisedFolder();
    const server = await start();
    const environ = await readFile(`/proc/${server.pid}/environ`, 'utf8').catch(() => '');
    expect(environ.split('\0').filter((entry) => /^(HOME|USER|NODE_OPTIONS|npm_)/.test(entry))).toEqual([]);
  });

  describe('says in one line what is wrong with', () => {
    const failure = async (options: Partial<EmbeddedPostgresOptions>): Promise<string> => {
      const error = await start(options).then(
        () => new Error('it started'),
        (reason: unknown) => reason as Error,
      );
      expect(error.name).toBe('EmbeddedPostgresError');
      expect(error.message).not.toContain('\n');
      return error.message;
    };

    it('a port that is taken', async () => {
      await useInitialisedFolder();
      const holder = createServer().listen(0, '127.0.0.1');
      await once(holder, 'listening');
      const { port } = holder.address() as { port: number };
      expect(await failure({ port })).toContain(`port ${port} on 127.0.0.1 is taken`);
      holder.close();
    });

    it('a folder that can not be made', async () => {
      await writeFile(join(root, 'file'), '');
      expect(await failure({ dir: join(root, 'file', 'postgres') })).toContain("can't write to");
    });

    it('data without its password', async () => {
      await useInitialisedFolder();
      await rm(join(dir, 'password'));
      expect(await failure({})).toContain('the password of the data beside it');
    });

    it('data of another version', async () => {
      await useInitialisedFolder();
      await writeFile(join(dir, 'data', 'PG_VERSION'), '17\n');
      expect(await failure({})).toContain('holds data of PostgreSQL 17, this is 18');
    });

    it('a setting that the server refuses', async () => {
      await useInitialisedFolder();
      expect(await failure({ settings: { shared_buffers: 'plenty' } })).toContain(
        'invalid value for parameter',
      );
    });
  });
});

const unusedPort = async (): Promise<number> => {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return port;
};
