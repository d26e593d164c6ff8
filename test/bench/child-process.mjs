import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

const START_MS = 60_000;
const STOP_MS = 30_000;

/** The rig on the first core and what is measured on the second, so that neither takes the other's time. */
export const CORES =
  availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0
    ? { rig: 0, measured: 1 }
    : undefined;

const pinned = (core, command, args) =>
  CORES === undefined ? [command, args] : ['taskset', ['-c', String(CORES[core]), command, ...args]];

const running = new Set();

/** Stops all children that run, as they would be at the end: a gateway then stops its Postgres. */
export const stopChildren = () => Promise.all([...running].map((child) => child.stop()));

process.once('exit', () => {
  for (const child of running) child.process.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.once(signal, () => void stopChildren().then(() => process.exit(1)));

/** A child process of the bench, in a session of its own: schedulers share a machine out by session. Ends with it. */
export class Child {
  #output = '';

  constructor(command, args, { core, env = {}, favoured = true } = {}) {
    const [file, list] = core === undefined ? [command, args] : pinned(core, command, args);
    this.process = spawn(file, list, {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    for (const stream of [this.process.stdout, this.process.stderr])
      stream.on('data', (chunk) => (this.#output = (this.#output + chunk).slice(-20_000)));
    this.exited = new Promise((resolve) => this.process.once('exit', resolve));
    /** Later than the exit: all that was printed has been read. */
    this.closed = new Promise((resolve) => this.process.once('close', resolve));
    this.process.once('error', (error) => (this.#output += error.message));
    this.process.stdin.on('error', () => undefined);
    if (favoured) favour(this.process.pid);
    running.add(this);
    void this.exited.then(() => running.delete(this));
  }

  get pid() {
    return this.process.pid;
  }

  get output() {
    return this.#output;
  }

  /** The number on the first line that the process prints. */
  async port() {
    await until(() => /^\d+$/m.test(this.#output) || this.process.exitCode !== null, START_MS, 'a port');
    const port = /^(\d+)$/m.exec(this.#output)?.[1];
    if (port === undefined) throw new Error(`did not start: ${this.#output}`);
    return Number(port);
  }

  async stop() {
    this.process.kill('SIGTERM');
    const late = setTimeout(() => this.process.kill('SIGKILL'), STOP_MS);
    await this.exited;
    clearTimeout(late);
  }
}

/** More of a shared machine for a session, without starving the others. Not every kernel and user can do that. */
const favour = (pid) => {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, '-10');
  } catch {
    // Then the run is as noisy as the machine; the checks say so.
  }
};

const POLL_MS = 20;

/** Waits until `condition` holds. @throws Error after `ms`, naming `what` was waited for */
export const until = async (condition, ms, what, pollMs = POLL_MS) => {
  const endMs = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`waited ${ms} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
};

/**
 * Lets all threads of these processes run before any other (`SCHED_RR`), where the user may do that, or takes it back.
 * Latencies of a machine that others use would else be theirs.
 */
export const setFirst = (pids, first) => {
  const policy = first ? ['--rr', '--all-tasks', '--pid', '1'] : ['--other', '--all-tasks', '--pid', '0'];
  for (const pid of pids) spawnSync('chrt', [...policy, String(pid)]);
};
