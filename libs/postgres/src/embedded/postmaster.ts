import { execFile } from 'node:child_process';
import { readFile, readlink, realpath, rm } from 'node:fs/promises';
import { platform } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { EmbeddedPostgresError, errnoCode } from './embedded-postgres-error.js';

/** A server as its `postmaster.pid` describes it (PostgreSQL 18, miscadmin.h: one fact per line). */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  /** True once it accepts connections. */
  readonly ready: boolean;
}

const PID_FILE = 'postmaster.pid';
const POLL_MS = 15;

/** How long each harder way of stopping is given. */
const IMMEDIATE_STOP_MS = 5_000;
const KILL_MS = 2_000;

/** The server that the data folder's pid file names, or undefined. It may be long dead. */
export const readPostmaster = async (dataDir: string): Promise<Postmaster | undefined> => {
  let lines: readonly string[];
  try {
    lines = (await readFile(join(dataDir, PID_FILE), 'utf8')).split('\n');
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return { pid, port: Number(lines[3] ?? 0), ready: lines[7]?.trim() === 'ready' };
};

/** Removes the pid file of a server that is gone. PostgreSQL does so itself unless its old pid belongs to somebody. */
export const removeStalePidFile = (dataDir: string): Promise<void> =>
  rm(join(dataDir, PID_FILE), { force: true });

/** True while the process exists. A dead process that nobody has reaped counts as gone. */
export const isAlive = async (pid: number): Promise<boolean> => {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return errnoCode(error) === 'EPERM';
  }
  if (platform() !== 'linux') return true;
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The state follows the command, which may itself contain blanks and brackets.
  return stat !== undefined && stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
};

/** True if the process is a server of this data folder, not somebody who got its old pid. */
export const servesFolder = async (pid: number, dataDir: string): Promise<boolean> => {
  if (!(await isAlive(pid))) return false;
  try {
    if (platform() === 'linux') return (await readlink(`/proc/${pid}/cwd`)) === (await realpath(dataDir));
    const { stdout } = await promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)], {
      timeout: 2_000,
    });
    return stdout.includes(dataDir);
  } catch {
    return false;
  }
};

/**
 * Stops a server by its pid: a fast shutdown (sessions are cut, transactions rolled back, everything is written),
 * and where that takes longer than `timeoutMs` an immediate one, which the next start recovers from.
 */
export const stopPostmaster = async (pid: number, timeoutMs: number): Promise<void> => {
  const steps: readonly [NodeJS.Signals, number][] = [
    ['SIGINT', timeoutMs],
    ['SIGQUIT', IMMEDIATE_STOP_MS],
    ['SIGKILL', KILL_MS],
  ];
  for (const [signal, waitMs] of steps) {
    if (!(await isAlive(pid))) return;
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (errnoCode(error) === 'ESRCH') return;
      throw new EmbeddedPostgresError(`PostgreSQL (process ${pid}) may not be stopped by this user`, {
        cause: error,
      });
    }
    if (await waitUntil(async () => !(await isAlive(pid)), waitMs)) return;
  }
  throw new EmbeddedPostgresError(`PostgreSQL (process ${pid}) does not stop`);
};

/** Asks every few milliseconds until the answer is yes; false if it was not within `timeoutMs`. */
export const waitUntil = async (condition: () => Promise<boolean>, timeoutMs: number): Promise<boolean> => {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() >= deadlineMs) return false;
    await sleep(POLL_MS);
  }
  return true;
};
