import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestClock } from '@tunan/kernel/testing';
import { SqliteAdmissionStore } from '../sqlite-admission-store.js';
import { openInlineChannel, type HostOptions } from '../store-channel.js';
import { TEST_LIMITS } from './memory-admission-store.js';
import type { OpenHarness, StoreHarness } from './store-harness.js';

const QUEUE = { waitingMax: 10_000, timeoutMs: { fast: 5_000, patient: 10_000 } };

/**
 * The SQLite store with its host on this thread, under virtual time. A restart copies the files as they are, which is
 * what a killed process leaves, and opens the copy.
 */
export const openSqliteHarness: OpenHarness = async (limits = {}) => {
  const clock = new TestClock();
  const folder = mkdtempSync(join(tmpdir(), 'tunan-admission-'));
  let life = 0;
  const fileOf = (number: number): string => join(folder, `life-${number}.sqlite`);
  const open = (): Promise<SqliteAdmissionStore> => {
    const host: HostOptions = {
      journal: { file: fileOf(life), bytesMax: 1_000_000_000, foldRows: 7 },
      limits: { ...TEST_LIMITS, ...limits },
    };
    return SqliteAdmissionStore.open((listener) => openInlineChannel(host, listener, clock), clock, QUEUE);
  };
  let store = await open();
  const harness: StoreHarness = {
    get store() {
      return store;
    },
    advance: async (ms) => clock.advance(ms),
    restart: async () => {
      const former = store;
      for (const suffix of ['', '-wal'])
        if (existsSync(fileOf(life) + suffix)) copyFileSync(fileOf(life) + suffix, fileOf(life + 1) + suffix);
      life += 1;
      store = await open();
      await former.close();
    },
    close: async () => {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return harness;
};
