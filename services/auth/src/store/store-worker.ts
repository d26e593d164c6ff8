import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import { SystemClock } from '@tunan/kernel';
import { SqliteJournal, StoreLockedError } from './sqlite-journal.js';
import type { HostOptions, WorkerGreeting } from './store-channel.js';
import { answerBatches, StoreHost } from './store-host.js';

/** Batches that wait are answered together, up to this many: one commit for all of them. */
const BATCHES_MAX = 64;

const serve = (port: MessagePort, { journal, limits }: HostOptions): void => {
  const clock = new SystemClock();
  const host = new StoreHost(clock, limits, new SqliteJournal(journal));
  port.on('message', (first: string | null) => {
    const batches = [first];
    while (batches.at(-1) !== null && batches.length < BATCHES_MAX) {
      const next = receiveMessageOnPort(port) as { message: string | null } | undefined;
      if (next === undefined) break;
      batches.push(next.message);
    }
    const texts = batches.filter((batch) => batch !== null);
    if (texts.length > 0) port.postMessage(answerBatches(host, clock, texts));
    if (batches.at(-1) !== null) return;
    host.close();
    port.close();
  });
  port.postMessage({ generation: host.generation } satisfies WorkerGreeting);
};

try {
  serve(parentPort!, workerData as HostOptions);
} catch (error) {
  const failure = error instanceof Error ? error.message : String(error);
  parentPort!.postMessage({ failure, locked: error instanceof StoreLockedError } satisfies WorkerGreeting);
}
