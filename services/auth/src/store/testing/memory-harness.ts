import { TestClock } from '@tunan/kernel/testing';
import { MemoryAdmissionStore, TEST_LIMITS } from './memory-admission-store.js';
import type { OpenHarness } from './store-harness.js';

/** The store in memory, under virtual time. */
export const openMemoryHarness: OpenHarness = (limits = {}) => {
  const clock = new TestClock();
  const store = new MemoryAdmissionStore(clock, { ...TEST_LIMITS, ...limits });
  return Promise.resolve({
    store,
    advance: async (ms) => clock.advance(ms),
    restart: async () => store.restart(),
    close: () => store.close(),
  });
};
