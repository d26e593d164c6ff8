import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { SystemClock, type Clock } from '@tunan/kernel';
import type { StoreLimits } from '../domain/admission-state.js';
import { SqliteJournal, StoreLockedError, type SqliteJournalOptions } from './sqlite-journal.js';
import { answerBatches, StoreHost, type BatchReply } from './store-host.js';

/** Who is told what comes back from a host. */
export interface ChannelListener {
  reply(reply: BatchReply): void;
  /** The host has died: what was sent and not answered will not be. Called at most once, and not after `close`. */
  death(reason: string): void;
}

/** The way to a store host, on this thread or another. Answers come in the order of what was sent. */
export interface StoreChannel {
  /** Name of the store's history. */
  readonly generation: string;
  /** Sends a JSON array of operation rows. */
  send(batch: string): void;
  /** Ends the host after it has answered what was sent. */
  close(): Promise<void>;
}

/** What a host is opened with. Plain data: it is handed to another thread. */
export interface HostOptions {
  readonly journal: SqliteJournalOptions;
  readonly limits: StoreLimits;
}

/** First message of a worker: how its opening went. */
export type WorkerGreeting =
  { readonly generation: string } | { readonly failure: string; readonly locked: boolean };

/** Opens the host on a thread of its own. @throws StoreLockedError if another process has the file open */
export const openWorkerChannel = async (
  options: HostOptions,
  listener: ChannelListener,
  script: URL = new URL('./store-worker.js', import.meta.url),
): Promise<StoreChannel> => {
  const worker = new Worker(script, { workerData: options, name: 'admission-store' });
  const greeting = await greetingOf(worker);
  if ('failure' in greeting) {
    await worker.terminate();
    throw greeting.locked ? new StoreLockedError(options.journal.file) : new Error(greeting.failure);
  }
  let reason = 'the worker ended';
  let closing = false;
  worker.on('message', (reply: BatchReply) => listener.reply(reply));
  worker.on('error', (error: unknown) => void (reason = String(error)));
  worker.on('exit', () => {
    if (!closing) listener.death(reason);
  });
  return {
    generation: greeting.generation,
    send: (batch) => worker.postMessage(batch),
    close: async () => {
      closing = true;
      const exited = once(worker, 'exit');
      worker.postMessage(null);
      await exited;
    },
  };
};

const greetingOf = (worker: Worker): Promise<WorkerGreeting> =>
  new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () =>
      reject(new Error('the thread of the admission store ended before it was open')),
    );
  });

/** Opens the host on this thread: every commit stops it for as long as the disk takes. */
export const openInlineChannel = (
  options: HostOptions,
  listener: ChannelListener,
  clock: Clock = new SystemClock(),
): StoreChannel => {
  const host = new StoreHost(clock, options.limits, new SqliteJournal(options.journal));
  return {
    generation: host.generation,
    send: (batch) => {
      const reply = answerBatches(host, clock, [batch]);
      queueMicrotask(() => listener.reply(reply));
    },
    close: () => {
      host.close();
      return Promise.resolve();
    },
  };
};
