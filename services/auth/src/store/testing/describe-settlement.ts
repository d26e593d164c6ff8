import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { finalEventId } from '@tunan/kernel';
import type { AdmissionStore } from '../admission-store.js';
import {
  ACCOUNT,
  aCharge,
  aHold,
  aLedger,
  aKey,
  anAdmission,
  aProfile,
  aSettlement,
  DOLLAR_PRICE,
  KEY,
  TOKEN,
} from './builders.js';
import { grant, heat, type OpenHarness, type StoreHarness } from './store-harness.js';

const BALANCE = 10_000n * TOKEN;

/** What every admission store promises about `settle` and `void`. */
export const describeSettlement = (open: OpenHarness): void => {
  let harness: StoreHarness;
  let store: AdmissionStore;
  beforeEach(async () => {
    harness = await open();
    store = harness.store;
    await heat(store, { ledger: aLedger({ balance: BALANCE }) });
  });
  afterEach(() => harness.close());

  const inspect = async (accountId = ACCOUNT) => {
    const result = await store.inspect(accountId, KEY, 'nothing');
    if (result.outcome !== 'known') throw new Error('cold');
    return result;
  };
  const limits = async () => (await inspect()).limits;
  /** What could be held now, asked for by a request that is too large. */
  const available = async (accountId = ACCOUNT): Promise<bigint> => {
    const result = await store.admit(anAdmission({ accountId, ceiling: 900_000_000 }));
    if (result.outcome !== 'denied' || result.available === null) throw new Error(result.outcome);
    return result.available;
  };
  const events = async () => (await store.readOutbox(0, 100)).map(({ event }) => event);
  const tokensCounted = async (): Promise<number> => {
    const result = await store.admit(anAdmission({ ceiling: 900_000_000 }));
    if (result.outcome !== 'denied') throw new Error(result.outcome);
    return result.limits!.tokens.limit - result.limits!.tokens.remaining;
  };
  const requestsCounted = async (): Promise<number> => {
    const result = await store.admit(anAdmission({ ceiling: 900_000_000 }));
    if (result.outcome !== 'denied') throw new Error(result.outcome);
    return result.limits!.requests.limit - result.limits!.requests.remaining;
  };

  // Guarantee: whoever told a client of an error after this moment is not contradicted by a charge.
  it('refuses a settlement that has lapsed, unless it was made before', async () => {
    const inTime = await grant(store);
    const late = await grant(store);
    const lapsing = ({ hold }: typeof late) => aSettlement(hold, { lapsesAtMs: hold.admittedAtMs + 5_000 });
    await harness.advance(4_999);
    expect(await store.settle(lapsing(inTime))).toMatchObject({ outcome: 'settled', repeated: false });
    await harness.advance(1);
    expect(await store.settle(lapsing(late))).toEqual({ outcome: 'refused' });
    expect(await store.settle(lapsing(inTime))).toMatchObject({ outcome: 'settled', repeated: true });
    expect((await events()).map(({ id }) => id)).toEqual([finalEventId(inTime.hold.requestId)]);
    // What is asked for again without a limit, as a replay by idempotency key does, is made.
    expect(await store.settle(aSettlement(late.hold))).toMatchObject({ outcome: 'settled', repeated: false });
  });

  describe('findUsage', () => {
    it('tells the usage of a settled request at once, until its event is acknowledged', async () => {
      const { hold } = await grant(store);
      const find = (accountId = ACCOUNT) => harness.store.findUsage(accountId, hold.requestId);
      expect(await find()).toBeNull();
      await store.settle(aSettlement(hold));
      const [event] = await events();
      expect(await find()).toEqual(event);
      expect(await find('acc_2')).toBeNull();
      await harness.restart();
      expect(await find()).toEqual(event);
      const [entry] = await harness.store.readOutbox(0, 1);
      await harness.store.ackOutbox(0, entry!.seq);
      expect(await find()).toBeNull();
    });

    it('knows nothing of a request that was given up', async () => {
      const { hold } = await grant(store);
      await store.void(hold.requestId, ACCOUNT, true);
      expect(await store.findUsage(ACCOUNT, hold.requestId)).toBeNull();
    });
  });

  describe('settle', () => {
    it('releases the hold, makes the charge pending and puts the event into the outbox, in one step', async () => {
      const { hold } = await grant(store, { ceiling: 200 });
      expect(await available()).toBe(BALANCE - hold.amount);
      const settlement = aSettlement(hold, { traceparent: '00-11-22-01' });
      expect(await store.settle(settlement)).toEqual({
        outcome: 'settled',
        charge: settlement.charge,
        repeated: false,
        limits: await limits(),
      });
      expect(await available()).toBe(BALANCE - 150n * TOKEN);
      expect(await inspect()).toMatchObject({
        left: BALANCE - 150n * TOKEN,
        spent: 150n * TOKEN,
        requests: 1,
      });
      expect(await store.pendingOf([ACCOUNT], 1_000)).toEqual([
        { accountId: ACCOUNT, eventId: finalEventId(hold.requestId) },
      ]);
      expect(await events()).toEqual([
        {
          specversion: '1.0',
          id: finalEventId(hold.requestId),
          source: '/tunan/auth',
          type: 'com.tunanapi.usage.v1',
          subject: ACCOUNT,
          time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
          traceparent: '00-11-22-01',
          data: {
            requestId: hold.requestId,
            accountId: ACCOUNT,
            keyId: KEY,
            kind: 'final',
            outcome: 'completed',
            operation: 'chat',
            stream: true,
            model: 'some-model',
            provider: 'deepseek',
            upstreamModel: 'deepseek-chat',
            channel: 'deepseek-main',
            attempts: 1,
            fallback: false,
            completions: 1,
            usage: settlement.charge.usage,
            catalogVersion: 1,
            price: DOLLAR_PRICE,
            cost: 150n * TOKEN,
            flags: [],
          },
        },
      ]);
    });

    // Guarantee: billed exactly once, and the cost that was shown first stays the cost.
    it('happens once: a repetition returns the first charge, also after Postgres has applied it', async () => {
      const { hold } = await grant(store);
      const first = await store.settle(aSettlement(hold));
      const again = aSettlement(hold, { charge: aCharge(1, 1), outcome: 'aborted' });
      expect(await store.settle(again)).toEqual({ ...first, repeated: true });
      const balance = BALANCE - 150n * TOKEN;
      await heat(store, {
        ledger: aLedger({ version: 2, balance }),
        appliedEventIds: [finalEventId(hold.requestId)],
      });
      expect(await store.settle(again)).toEqual({ ...first, repeated: true });
      expect(await available()).toBe(balance);
      expect(await events()).toHaveLength(1);
    });

    it('works on a cold account', async () => {
      const hold = aHold({ accountId: 'acc_cold' });
      expect(await store.settle(aSettlement(hold))).toMatchObject({ outcome: 'settled', repeated: false });
      expect(await events()).toMatchObject([
        { id: finalEventId(hold.requestId), data: { cost: 150n * TOKEN } },
      ]);
      await heat(store, { accountId: 'acc_cold', ledger: aLedger({ balance: BALANCE }) });
      expect((await inspect('acc_cold')).left).toBe(BALANCE - 150n * TOKEN);
    });

    it('works without a hold', async () => {
      const hold = aHold();
      expect(await store.settle(aSettlement(hold))).toMatchObject({ outcome: 'settled', repeated: false });
      expect(await available()).toBe(BALANCE - 150n * TOKEN);
      expect(await store.admit(anAdmission({ requestId: hold.requestId }))).toEqual({ outcome: 'ended' });
    });

    it('of nothing leaves nothing pending, but an event', async () => {
      const { hold } = await grant(store);
      await store.settle(aSettlement(hold, { outcome: 'failed', served: null, charge: aCharge(0, 0) }));
      expect(await store.pendingOf([ACCOUNT], 1_000)).toEqual([]);
      expect(await events()).toMatchObject([
        { data: { outcome: 'failed', cost: 0n, provider: null, attempts: 0 } },
      ]);
      expect(await inspect()).toMatchObject({ left: BALANCE, requests: 0 });
    });
  });

  describe('a charge above the hold', () => {
    it('takes the rest from what is available', async () => {
      const { hold } = await grant(store, { ceiling: 100 });
      const charge = aCharge(800, 100);
      expect(await store.settle(aSettlement(hold, { charge }))).toMatchObject({ charge });
      expect(await available()).toBe(BALANCE - 900n * TOKEN);
    });

    // Guarantee: an account never spends more than it has; what it can't pay is our loss, and flagged.
    it('is cut at what is available and flagged', async () => {
      const { hold } = await grant(store, { ceiling: 100 });
      const other = await grant(store, { ceiling: 9_000 });
      const charge = aCharge(900, 100);
      const result = await store.settle(aSettlement(hold, { charge }));
      const cost = BALANCE - other.hold.amount;
      const means = { hold: hold.amount, reach: cost };
      expect(cost).toBeLessThan(charge.cost);
      expect(result).toEqual({
        outcome: 'settled',
        charge: { ...charge, cost, flags: ['overrun'], means },
        repeated: false,
        limits: await limits(),
      });
      expect(await available()).toBe(0n);
      expect(await events()).toMatchObject([{ data: { cost, flags: ['overrun'], means } }]);
      expect(await store.settle(aSettlement(hold, { charge }))).toEqual({ ...result, repeated: true });
    });

    // Guarantee: a key never spends more than its cap, whatever its account has.
    it('is cut at what the cap of its key leaves', async () => {
      const cap = 500n * TOKEN;
      await heat(store, {
        ledger: aLedger({ version: 2, balance: BALANCE, spentByKey: { [KEY]: 100n * TOKEN } }),
        profile: aProfile({ version: 2, keys: [aKey({ cap })] }),
      });
      const { hold } = await grant(store, { ceiling: 100 });
      const charge = aCharge(800, 100);
      const cost = cap - 100n * TOKEN;
      expect(await store.settle(aSettlement(hold, { charge }))).toMatchObject({
        charge: { cost, flags: ['overrun'] },
      });
      expect(await inspect()).toMatchObject({ left: BALANCE - cost });
      expect(await store.admit(anAdmission({ ceiling: 1 }))).toMatchObject({
        reason: 'key_cap_reached',
        available: 0n,
      });
    });

    // Guarantee: what depends on the moment is decided once, also if the store has forgotten that it was.
    it('is uncertain without a record, and after a restart: it may have been made before', async () => {
      const charge = aCharge(1_000, 1_000);
      const unknown = aHold();
      const { hold } = await grant(store, { ceiling: 100 });
      await harness.advance(1);
      await harness.restart();
      store = harness.store;
      await heat(store, { ledger: aLedger({ version: 2, balance: BALANCE }) });
      for (const each of [unknown, hold]) {
        const settlement = aSettlement(each, { charge });
        const means = { hold: each.amount, reach: null };
        const within = { ...charge, cost: each.amount, flags: ['overrun'], means };
        expect(await store.settle(settlement)).toEqual({ outcome: 'uncertain', charge: within });
        expect(await events()).toEqual([]);
      }
      expect(await store.stats()).toMatchObject({ holds: 1, pending: 0, tombstones: 0 });
    });

    it('is what the ledger says, once that is known', async () => {
      const hold = aHold();
      const booked = {
        ...aCharge(1_000, 1_000),
        cost: 1_500n * TOKEN,
        flags: ['overrun' as const],
        means: { hold: hold.amount, reach: 1_500n * TOKEN },
      };
      const settlement = aSettlement(hold, { charge: booked, booked: true });
      expect(await store.settle(settlement)).toEqual({
        outcome: 'settled',
        charge: booked,
        repeated: false,
        limits: await limits(),
      });
      expect(await available()).toBe(BALANCE - 1_500n * TOKEN);
      expect(await store.settle(aSettlement(hold, { charge: aCharge(1_000, 1_000) }))).toEqual({
        outcome: 'settled',
        charge: booked,
        repeated: true,
        limits: await limits(),
      });
      // The prompt factor is learned from the usage, which passed the hold whatever was charged of it.
      expect((await grant(store, { ceiling: 10 })).hold.amount).toBe(1_010n * TOKEN);
    });

    it('reaches the hold whatever is left, because that was set aside', async () => {
      const { hold } = await grant(store, { ceiling: 1_000 });
      await heat(store, { ledger: aLedger({ version: 2, balance: 0n }) });
      expect(await store.settle(aSettlement(hold, { charge: aCharge(125, 1_000) }))).toMatchObject({
        charge: { cost: hold.amount, flags: [] },
      });
    });

    it('makes the next prompts of the account be held as they were seen, up to their bound, for a day', async () => {
      const { hold } = await grant(store, { ceiling: 10 });
      await store.settle(aSettlement(hold, { charge: aCharge(300, 10) }));
      expect((await grant(store, { ceiling: 10 })).hold.amount).toBe(310n * TOKEN);
      expect((await grant(store, { ceiling: 10, promptBound: 200 })).hold.amount).toBe(210n * TOKEN);
      await harness.restart();
      store = harness.store;
      await heat(store);
      expect((await grant(store, { ceiling: 10 })).hold.amount).toBe(310n * TOKEN);
      await harness.advance(24 * 3_600_000);
      expect((await grant(store, { ceiling: 10 })).hold.amount).toBe(135n * TOKEN);
    });
  });

  describe('the token window', () => {
    it('is corrected in the second of the admission, up and down', async () => {
      const { hold } = await grant(store, { ceiling: 500 });
      expect(await tokensCounted()).toBe(600);
      await harness.advance(30_000);
      await store.settle(aSettlement(hold, { charge: aCharge(100, 50) }));
      expect(await tokensCounted()).toBe(150);
      const second = await grant(store, { ceiling: 10 });
      await store.settle(aSettlement(second.hold, { charge: aCharge(900, 10) }));
      expect(await tokensCounted()).toBe(150 + 910);
      await harness.advance(31_000);
      expect(await tokensCounted()).toBe(910);
    });

    it('is left alone where the admission no longer counts', async () => {
      const { hold } = await grant(store, { ceiling: 500 });
      await harness.advance(45_000);
      await store.renew(hold, 1);
      await harness.advance(45_000);
      await store.settle(aSettlement(hold, { charge: aCharge(100, 400) }));
      expect(await tokensCounted()).toBe(0);
    });

    // Guarantee: upstream work that nobody pays for has a limit.
    it('counts upstream work that was not charged, and ignores it where there is a charge', async () => {
      const nothing = aCharge(0, 0, { cost: 0n });
      for (const [charge, unpaidTokens, counted] of [
        [nothing, 900, 900],
        [aCharge(100, 50, { cost: 0n, flags: ['uncharged'] }), 150, 1_050],
        [aCharge(100, 50), 5_000, 1_200],
      ] as const) {
        const { hold } = await grant(store, { ceiling: 500 });
        const settlement = aSettlement(hold, { outcome: 'failed', charge, unpaidTokens });
        await store.settle(settlement);
        expect(await tokensCounted()).toBe(counted);
      }
    });

    it('does not count what was not charged', async () => {
      const { hold } = await grant(store, { ceiling: 500 });
      const charge = aCharge(100, 50, { cost: 0n, flags: ['uncharged'] });
      await store.settle(aSettlement(hold, { outcome: 'failed', charge }));
      expect(await tokensCounted()).toBe(0);
      expect(await requestsCounted()).toBe(1);
    });
  });

  describe('void', () => {
    it('gives credit and slot back without a charge or an event', async () => {
      const { hold } = await grant(store);
      await store.void(hold.requestId, ACCOUNT, false);
      expect(await available()).toBe(BALANCE);
      expect(await events()).toEqual([]);
      expect(await store.stats()).toMatchObject({ holds: 0, pending: 0, tombstones: 1 });
    });

    it('gives the request back only if told so; its tokens always', async () => {
      const kept = await grant(store);
      const given = await grant(store);
      expect([await requestsCounted(), await tokensCounted()]).toEqual([2, 2_200]);
      await store.void(kept.hold.requestId, ACCOUNT, false);
      await store.void(given.hold.requestId, ACCOUNT, true);
      expect([await requestsCounted(), await tokensCounted()]).toEqual([1, 0]);
    });

    // Guarantee: an admit that was given up on can't come into force later.
    it('of an unknown request makes its late admit fail', async () => {
      const request = anAdmission();
      await store.void(request.requestId, ACCOUNT, true);
      expect(await store.admit(request)).toEqual({ outcome: 'ended' });
      expect(await requestsCounted()).toBe(0);
      await harness.advance(3_599_000);
      expect(await store.admit(request)).toEqual({ outcome: 'ended' });
    });

    it('does nothing to a request that was settled', async () => {
      const { hold } = await grant(store);
      await store.settle(aSettlement(hold));
      await store.void(hold.requestId, ACCOUNT, true);
      expect(await available()).toBe(BALANCE - 150n * TOKEN);
      expect(await requestsCounted()).toBe(1);
    });

    it('does not keep a final settlement from being charged', async () => {
      const { hold } = await grant(store);
      await store.void(hold.requestId, ACCOUNT, false);
      expect(await store.settle(aSettlement(hold))).toMatchObject({ outcome: 'settled', repeated: false });
      expect(await available()).toBe(BALANCE - 150n * TOKEN);
    });
  });
};
