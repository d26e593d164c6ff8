import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { finalEventId, lostEventId } from '@tunan/kernel';
import type { AdmissionStore } from '../admission-store.js';
import { ACCOUNT, aCharge, aHold, aLedger, anAdmission, aProfile, aSettlement, TOKEN } from './builders.js';
import { grant, heat, type OpenHarness, type StoreHarness } from './store-harness.js';

const BALANCE = 10_000n * TOKEN;

/** What every admission store promises about leases: `renew`, their end, and `lost` beside `final`. */
export const describeLeases = (open: OpenHarness): void => {
  let harness: StoreHarness;
  let store: AdmissionStore;
  beforeEach(async () => {
    harness = await open();
    store = harness.store;
    await heat(store, { ledger: aLedger({ balance: BALANCE }) });
  });
  afterEach(() => harness.close());

  /** What could be held now, asked for by a request that is too large. */
  const available = async (accountId = ACCOUNT): Promise<bigint> => {
    const result = await store.admit(anAdmission({ accountId, ceiling: 900_000_000 }));
    if (result.outcome !== 'denied' || result.available === null) throw new Error(result.outcome);
    return result.available;
  };
  const events = async () => (await store.readOutbox(0, 100)).map(({ event }) => event);
  const lost = (hold: Parameters<typeof aSettlement>[0], prompt = 100, completion = 20) =>
    aSettlement(hold, {
      kind: 'lost',
      outcome: 'lost',
      charge: aCharge(prompt, completion, { flags: ['estimated'] }),
      served: null,
    });

  it('says whether a request holds', async () => {
    const { hold } = await grant(store);
    const renewed = aHold();
    await store.renew(renewed, 0);
    for (const { requestId } of [hold, renewed]) expect(await store.isHeld(requestId)).toBe(true);
    // Also when its lease has run out: a renewal would still be taken.
    await harness.advance(60_000);
    expect(await store.isHeld(hold.requestId)).toBe(true);
    await store.settle(aSettlement(hold));
    await store.void(renewed.requestId, ACCOUNT, false);
    for (const requestId of [hold.requestId, renewed.requestId, 'unknown'])
      expect(await store.isHeld(requestId)).toBe(false);
  });

  it('leaves out expired holds on terms that are not asked for', async () => {
    const { hold } = await grant(store);
    const others = [await grant(store, { model: 'other' }), await grant(store, { catalogVersion: 2 })];
    await harness.advance(60_000);
    const terms = others.map(({ hold: { catalogVersion, model } }) => ({ catalogVersion, model }));
    expect(await store.expiredHolds(1, terms)).toEqual([{ hold, deliveredTokens: 0 }]);
    expect(await store.expiredHolds(10, terms.slice(0, 1))).toHaveLength(2);
  });

  describe('renew', () => {
    it('begins the lease anew and keeps the largest progress', async () => {
      const { hold } = await grant(store);
      await harness.advance(50_000);
      expect(await store.renew(hold, 30)).toEqual({ outcome: 'renewed', leaseMs: 60_000 });
      await store.renew(hold, 20);
      await harness.advance(59_000);
      expect(await store.expiredHolds(10)).toEqual([]);
      await harness.advance(1_000);
      expect(await store.expiredHolds(10)).toEqual([{ hold, deliveredTokens: 30 }]);
    });

    it('tells that the request was settled meanwhile', async () => {
      const { hold } = await grant(store);
      await store.settle(aSettlement(hold));
      expect(await store.renew(hold, 1)).toEqual({ outcome: 'settled' });
    });

    // Guarantee: a store that lost its content is told again what runs, before anybody else may spend it.
    it('recreates a hold that the store does not know, also on a cold account', async () => {
      const unknown = aHold();
      expect(await store.renew(unknown, 5)).toEqual({ outcome: 'renewed', leaseMs: 60_000 });
      expect(await available()).toBe(BALANCE - unknown.amount);
      const cold = aHold({ accountId: 'acc_cold' });
      await store.renew(cold, 5);
      await heat(store, { accountId: 'acc_cold', ledger: aLedger({ balance: BALANCE }) });
      expect(await available('acc_cold')).toBe(BALANCE - cold.amount);
      await harness.advance(60_000);
      expect(await store.expiredHolds(10)).toEqual([
        { hold: unknown, deliveredTokens: 5 },
        { hold: cold, deliveredTokens: 5 },
      ]);
    });

    it('counts a recreated hold as one of the running requests', async () => {
      await heat(store, {
        profile: aProfile({ version: 2, limits: { rpm: 10, tpm: 1_000_000, concurrency: 1 } }),
      });
      await store.renew(aHold(), 0);
      expect(await store.admit(anAdmission({ ceiling: 1 }))).toMatchObject({ reason: 'concurrency' });
    });
  });

  describe('expired leases', () => {
    it('are named oldest first, until they are settled', async () => {
      const first = await grant(store);
      await harness.advance(1_000);
      const second = await grant(store);
      await harness.advance(59_000);
      expect(await store.expiredHolds(10)).toEqual([{ hold: first.hold, deliveredTokens: 0 }]);
      await harness.advance(1_000);
      expect(await store.expiredHolds(1)).toEqual([{ hold: first.hold, deliveredTokens: 0 }]);
      expect(await store.expiredHolds(10)).toHaveLength(2);
      await store.settle(lost(first.hold));
      await store.settle(lost(second.hold));
      expect(await store.expiredHolds(10)).toEqual([]);
      expect(await available()).toBe(BALANCE - 240n * TOKEN);
    });

    it('are not hidden by an older hold that is renewed', async () => {
      const renewed = await grant(store);
      await harness.advance(1_000);
      const silent = await grant(store);
      await harness.advance(30_000);
      await store.renew(renewed.hold, 1);
      await harness.advance(30_000);
      expect(await store.expiredHolds(10)).toEqual([{ hold: silent.hold, deliveredTokens: 0 }]);
    });

    // Guarantee: while the store was away nobody could renew, so nobody is swept for it.
    it('do not happen within one lease of the opening', async () => {
      const { hold } = await grant(store);
      await harness.advance(59_000);
      await harness.restart();
      store = harness.store;
      await harness.advance(59_999);
      expect(await store.expiredHolds(10)).toEqual([]);
      expect(await store.settle(lost(hold))).toEqual({ outcome: 'refused' });
      await harness.advance(1);
      expect(await store.expiredHolds(10)).toEqual([{ hold, deliveredTokens: 0 }]);
    });
  });

  describe('lost and final', () => {
    const expire = async () => {
      const { hold } = await grant(store);
      await harness.advance(60_000);
      return hold;
    };

    it('refuses lost while the lease runs, and for requests that ended or are unknown', async () => {
      const { hold } = await grant(store);
      await harness.advance(59_999);
      expect(await store.settle(lost(hold))).toEqual({ outcome: 'refused' });
      await store.settle(aSettlement(hold));
      await harness.advance(60_000);
      expect(await store.settle(lost(hold))).toEqual({ outcome: 'refused' });
      expect(await store.settle(lost(aHold()))).toEqual({ outcome: 'refused' });
      expect(await events()).toHaveLength(1);
    });

    it('takes a renewal that came at the last moment for life', async () => {
      const hold = await expire();
      await store.renew(hold, 3);
      expect(await store.settle(lost(hold))).toEqual({ outcome: 'refused' });
    });

    it('replaces the pending charge of lost by that of final', async () => {
      const hold = await expire();
      expect(await store.settle(lost(hold))).toMatchObject({ outcome: 'settled', repeated: false });
      expect(await available()).toBe(BALANCE - 120n * TOKEN);
      expect(await store.settle(lost(hold))).toMatchObject({ outcome: 'settled', repeated: true });
      expect(await store.settle(aSettlement(hold))).toMatchObject({ outcome: 'settled', repeated: false });
      expect(await available()).toBe(BALANCE - 150n * TOKEN);
      expect(await store.pendingOf([ACCOUNT], 1_000)).toEqual([
        { accountId: ACCOUNT, eventId: finalEventId(hold.requestId) },
      ]);
      expect((await events()).at(-1)!.id).toBe(finalEventId(hold.requestId));
      expect(await store.settle(lost(hold))).toEqual({ outcome: 'refused' });
    });

    it('ignores that lost was applied while final is pending', async () => {
      const hold = await expire();
      await store.settle(lost(hold));
      await store.settle(aSettlement(hold));
      const balance = BALANCE - 120n * TOKEN;
      await heat(store, {
        ledger: aLedger({ version: 2, balance }),
        appliedEventIds: [lostEventId(hold.requestId)],
      });
      // The ledger has yet to learn that final takes the place of lost: until then the account has too little, never too much.
      expect(await available()).toBe(balance - 150n * TOKEN);
      const final = BALANCE - 150n * TOKEN;
      await heat(store, {
        ledger: aLedger({ version: 3, balance: final }),
        appliedEventIds: [finalEventId(hold.requestId)],
      });
      expect(await available()).toBe(final);
    });
  });
};
