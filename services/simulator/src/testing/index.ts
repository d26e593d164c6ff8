import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '@tunan/config';
import type { ProviderId } from '@tunan/contracts';
import { SystemClock } from '@tunan/kernel';
import { createSimulator } from '../create-simulator.js';
import { listen } from '../listen.js';
import type { RawBehaviour } from '../domain/behaviour.js';
import type { ScriptMatch } from '../domain/script-book.js';
import type { AcceptedEntry, AnsweringEntry, EndedEntry, ServedEntry } from '../domain/served-entry.js';
import type { Simulator } from '../serving/simulator.js';
import { simulatorConfig } from '../simulator-config.js';

export type { RawBehaviour } from '../domain/behaviour.js';
export type { ScriptMatch } from '../domain/script-book.js';
export type * from '../domain/served-entry.js';

/** How a simulator for tests is started. */
export interface StartOptions {
  /** A free port unless given. */
  readonly port?: number;
  /** Folder of the log file; without it a temporary one, removed at the end. */
  readonly dataDir?: string;
  /** Settings by their variables' names. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** A simulator inside the test's process. */
export interface RunningSimulator {
  /** Base URL, without a trailing slash. */
  readonly url: string;
  /** The base URL that each provider would have. */
  readonly baseUrls: Readonly<Record<ProviderId, string>>;
  /** Log entries in order; with a nonce only those of the requests that carry it. */
  log(nonce?: string): readonly ServedEntry[];
  /** The last entry of a kind with a nonce, as soon as there is one. @throws Error after 10 s */
  waitFor(event: 'accepted', nonce: string): Promise<AcceptedEntry>;
  waitFor(event: 'answering', nonce: string): Promise<AnsweringEntry>;
  waitFor(event: 'ended', nonce: string): Promise<EndedEntry>;
  /** Lays down a script; returns its id. @throws BehaviourError */
  script(match: ScriptMatch, behaviour: RawBehaviour): string;
  clearScripts(): void;
  stats(): ReturnType<Simulator['stats']>;
  open(): ReturnType<Simulator['open']>;
  stop(): Promise<void>;
}

/** Path of each provider's API below the simulator's URL. */
export const BASE_PATHS: Readonly<Record<ProviderId, string>> = {
  deepseek: '/deepseek',
  qwen: '/qwen/compatible-mode/v1',
  glm: '/glm/api/paas/v4',
  minimax: '/minimax/v1',
};

const WAIT_MS = 10_000;
const POLL_MS = 2;

const readLog = (simulator: Simulator, nonce: string | undefined): readonly ServedEntry[] =>
  simulator.log
    .read({ after: 0, nonce, limit: Infinity })
    .lines.map((line) => JSON.parse(line) as ServedEntry);

const waitForEntry = async (simulator: Simulator, event: string, nonce: string): Promise<ServedEntry> => {
  const clock = new SystemClock();
  for (const endMs = clock.monotonicMs() + WAIT_MS; clock.monotonicMs() < endMs; await clock.sleep(POLL_MS)) {
    const found = readLog(simulator, nonce).findLast((entry) => entry.event === event);
    if (found !== undefined) return found;
  }
  throw new Error(`no entry ${event} with nonce ${nonce} within ${WAIT_MS} ms`);
};

/** Starts a simulator in this process on the loopback interface. Whoever starts it stops it. */
export const startSimulator = async (options: StartOptions = {}): Promise<RunningSimulator> => {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'simulator-')));
  const simulator = createSimulator(
    readConfig(simulatorConfig, options.variables ?? {}),
    new SystemClock(),
    dataDir,
  );
  const { url, stop } = await listen(simulator, options.port ?? 0);
  return {
    url,
    baseUrls: {
      deepseek: url + BASE_PATHS.deepseek,
      qwen: url + BASE_PATHS.qwen,
      glm: url + BASE_PATHS.glm,
      minimax: url + BASE_PATHS.minimax,
    },
    log: (nonce) => readLog(simulator, nonce),
    waitFor: (event: string, nonce: string) => waitForEntry(simulator, event, nonce) as Promise<never>,
    script: (match, behaviour) => simulator.scripts.add({ match, behaviour }).id,
    clearScripts: () => void simulator.scripts.remove(),
    stats: () => simulator.stats(),
    open: () => simulator.open(),
    stop: async () => {
      await stop();
      if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
    },
  };
};
