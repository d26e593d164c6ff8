import { join } from 'node:path';
import type { Clock } from '@tunan/kernel';
import type { StoreLimits } from '../domain/admission-state.js';
import type { QueueOptions } from './operation-queue.js';
import { SqliteAdmissionStore } from './sqlite-admission-store.js';
import { openInlineChannel, openWorkerChannel, type HostOptions } from './store-channel.js';

/** File of the admission store in its folder. */
const FILE = 'admission.sqlite';

/** Where and within what bounds a store is opened. */
export interface OpenStoreOptions {
  /** Folder of the store's file; exists. */
  readonly folder: string;
  readonly bytesMax: number;
  readonly limits: StoreLimits;
  readonly queue: QueueOptions;
}

/**
 * A worker thread runs compiled files only. Run from TypeScript sources, which is in tests, the host stays on the
 * calling thread; everything but the thread is the same.
 */
const COMPILED = !import.meta.url.endsWith('.ts');

/**
 * Opens the admission store of a folder.
 * @throws StoreLockedError if another process uses the folder
 */
export const openStore = (options: OpenStoreOptions, clock: Clock): Promise<SqliteAdmissionStore> => {
  const { folder, bytesMax, limits, queue } = options;
  const host: HostOptions = { journal: { file: join(folder, FILE), bytesMax }, limits };
  const open = COMPILED ? openWorkerChannel : openInlineChannel;
  return SqliteAdmissionStore.open((listener) => open(host, listener), clock, queue);
};
