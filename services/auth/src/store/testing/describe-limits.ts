import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { AdmissionStore } from '../admission-store.js';
import { aHold, aKey, anAdmission, aProfile, aSettlement } from './builders.js';
import { grant, heat, type OpenHarness, type StoreHarness } from './store-harness.js';

/** What every admission store promises about requests per minute, tokens per minute and concurrency. */
export const describeLimits = (open: OpenHarness): void => {
  let harness: StoreHarness;
  let store: AdmissionStore;
  beforeEach(async () => {
    harness = await open();
    store = harness.store;
  });
  afterEach(() => harness.close());

  const denied = async (changes: Parameters<typeof anAdmission>[0] = {}) => {
    const result = await store.admit(anAdmission(changes));
    if (result.outcome !== 'denied') throw new Error(`not denied but ${result.outcome}`);
    return result;
  };

  describe('requests per minute', () => {
    const limited = (rpm: number, keyRpm: number | null = null) =>
      heat(store, {
        profile: aProfile({
          limits: { rpm, tpm: 10_000_000, concurrency: 100 },
          keys: [aKey({ limits: { rpm: keyRpm, tpm: null, concurrency: null } }), aKey({ keyId: 'key_2' })],
        }),
      });

    // Guarantee: Retry-After is neither too short nor longer than needed.
    it('are refused beyond the limit until the time that was told', async () => {
      await limited(2);
      await grant(store);
      await harness.advance(10_000);
      await grant(store);
      const { reason, retryAfterMs, limits } = await denied();
      expect(reason).toBe('requests');
      expect(limits!.requests).toMatchObject({ limit: 2, remaining: 0 });
      await harness.advance(retryAfterMs! - 1);
      expect((await denied()).retryAfterMs).toBe(1);
      await harness.advance(1);
      await grant(store);
    });

    it('have the limit of the key where that is tighter, which leaves other keys alone', async () => {
      await limited(10, 1);
      const { limits } = await grant(store);
      expect(limits.requests).toMatchObject({ limit: 1, remaining: 0 });
      expect((await denied()).reason).toBe('requests');
      expect((await grant(store, { keyId: 'key_2' })).limits.requests).toMatchObject({
        limit: 10,
        remaining: 8,
      });
    });

    it('are refused for good under a limit of zero', async () => {
      await limited(0);
      expect(await denied()).toMatchObject({ reason: 'requests', retryAfterMs: null });
    });
  });

  describe('tokens per minute', () => {
    const limited = (tpm: number, keyTpm: number | null = null) =>
      heat(store, {
        profile: aProfile({
          limits: { rpm: 100, tpm, concurrency: 100 },
          keys: [aKey({ limits: { rpm: null, tpm: keyTpm, concurrency: null } })],
        }),
      });

    it('are refused beyond the limit until the time that was told', async () => {
      await limited(1_000);
      expect((await grant(store, { ceiling: 500 })).limits.tokens).toMatchObject({
        limit: 1_000,
        remaining: 400,
      });
      const { reason, retryAfterMs } = await denied({ ceiling: 301 });
      expect(reason).toBe('tokens');
      await grant(store, { ceiling: 300 });
      await harness.advance(retryAfterMs!);
      await grant(store, { ceiling: 301 });
    });

    it('let a request that is larger than the limit in when the window is empty, and are then used up', async () => {
      await limited(1_000);
      expect((await grant(store, { ceiling: 4_000 })).limits.tokens.remaining).toBe(0);
      expect((await denied({ ceiling: 1 })).reason).toBe('tokens');
      const { reason, retryAfterMs } = await denied({ ceiling: 4_000 });
      expect(reason).toBe('tokens');
      await harness.advance(retryAfterMs!);
      await grant(store, { ceiling: 4_000 });
    });

    it('are told as they are after a settlement, also to who asks again', async () => {
      await limited(10_000);
      const { hold, limits } = await grant(store, { ceiling: 4_000 });
      expect(limits.tokens).toEqual({ limit: 10_000, remaining: 5_900, resetMs: 60_000 });
      await harness.advance(15_000);
      const settled = await store.settle(aSettlement(hold));
      expect(settled).toMatchObject({
        limits: {
          requests: { limit: 100, remaining: 99, resetMs: 45_000 },
          tokens: { limit: 10_000, remaining: 9_850, resetMs: 45_000 },
        },
      });
      await harness.advance(15_000);
      await grant(store, { ceiling: 400 });
      expect(await store.settle(aSettlement(hold))).toMatchObject({
        repeated: true,
        limits: { tokens: { remaining: 9_350, resetMs: 60_000 } },
      });
    });

    it('are not told after a settlement of an account that is cold', async () => {
      const hold = aHold({ accountId: 'acc_cold' });
      expect(await store.settle(aSettlement(hold))).toMatchObject({ outcome: 'settled', limits: null });
    });

    it('have the limit of the key where that is tighter', async () => {
      await limited(100_000, 500);
      expect((await grant(store, { ceiling: 400 })).limits.tokens).toMatchObject({
        limit: 500,
        remaining: 0,
      });
      expect((await denied({ ceiling: 1 })).reason).toBe('tokens');
    });

    it('wait for every window that is in the way', async () => {
      await heat(store, { profile: aProfile({ limits: { rpm: 1, tpm: 1_000, concurrency: 100 } }) });
      await grant(store, { ceiling: 1 });
      await harness.advance(30_000);
      const { reason, retryAfterMs } = await denied({ ceiling: 5_000 });
      expect(reason).toBe('requests');
      await harness.advance(retryAfterMs!);
      await grant(store, { ceiling: 5_000 });
    });
  });

  describe('concurrency', () => {
    it('is the number of holds of the account', async () => {
      await heat(store, { profile: aProfile({ limits: { rpm: 100, tpm: 1_000_000, concurrency: 2 } }) });
      const { hold } = await grant(store, { ceiling: 1 });
      await grant(store, { ceiling: 1 });
      expect(await denied({ ceiling: 1 })).toMatchObject({ reason: 'concurrency', retryAfterMs: 1_000 });
      await store.settle(aSettlement(hold));
      await grant(store, { ceiling: 1 });
    });

    it('is that of the key where it has its own limit', async () => {
      const key = aKey({ limits: { rpm: null, tpm: null, concurrency: 1 } });
      await heat(store, { profile: aProfile({ keys: [key, aKey({ keyId: 'key_2' })] }) });
      await grant(store);
      expect((await denied()).reason).toBe('concurrency');
      await grant(store, { keyId: 'key_2' });
    });
  });
};
