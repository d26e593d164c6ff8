import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { CountedAs } from '@tunan/contracts';
import { finalEventId } from '@tunan/kernel';
import type { AdmissionStore } from '../admission-store.js';
import {
  ACCOUNT,
  aCharge,
  aHold,
  aKey,
  aLedger,
  anAdmission,
  aProfile,
  aPublication,
  aSettlement,
  KEY,
  TOKEN,
} from './builders.js';
import { grant, heat, type OpenHarness, type StoreHarness } from './store-harness.js';

const BALANCE = 10_000n * TOKEN;

/** What every admission store promises about `publish`, `inspect`, the outbox and what is kept for how long. */
export const describePublication = (open: OpenHarness): void => {
  let harness: StoreHarness;
  let store: AdmissionStore;
  beforeEach(async () => {
    harness = await open();
    store = harness.store;
  });
  afterEach(() => harness.close());

  const inspect = async (keyId = KEY, countedAs: CountedAs = 'nothing') => {
    const result = await store.inspect(ACCOUNT, keyId, countedAs);
    if (result.outcome !== 'known') throw new Error('cold');
    return result;
  };
  const settleOne = async (changes: Parameters<typeof aSettlement>[1] = {}) => {
    const { hold } = await grant(store);
    await store.settle(aSettlement(hold, changes));
    return hold;
  };

  describe('publish', () => {
    it('assigns a ledger state that is newer and never adds', async () => {
      await heat(store, { ledger: aLedger({ version: 5, balance: 50n, spent: 7n, requests: 3 }) });
      await heat(store, { ledger: aLedger({ version: 5, balance: 50n, spent: 7n, requests: 3 }) });
      await heat(store, { ledger: aLedger({ version: 4, balance: 999n }) });
      expect(await inspect()).toMatchObject({ left: 50n, spent: 7n, requests: 3 });
      await heat(store, { ledger: aLedger({ version: 6, balance: 20n }) });
      expect((await inspect()).left).toBe(20n);
    });

    it('assigns a profile by a version of its own', async () => {
      await heat(store, { profile: aProfile({ version: 5, displayName: 'five' }) });
      await heat(store, { ledger: null, profile: aProfile({ version: 4, displayName: 'four' }) });
      expect((await inspect()).profile.displayName).toBe('five');
      await heat(store, { ledger: null, profile: aProfile({ version: 5, displayName: 'again five' }) });
      expect((await inspect()).profile.displayName).toBe('again five');
      await heat(store, { ledger: null, profile: aProfile({ version: 6, status: 'suspended' }) });
      expect(await store.admit(anAdmission())).toMatchObject({ reason: 'account_suspended' });
    });

    // Guarantee: a charge is in the balance or pending, never in both and never in neither.
    it('takes a charge out of pending in the step that assigns the balance with it', async () => {
      await heat(store, { ledger: aLedger({ balance: BALANCE }) });
      const applied = await settleOne();
      const open = await settleOne();
      expect((await inspect()).left).toBe(BALANCE - 300n * TOKEN);
      await heat(store, {
        ledger: aLedger({ version: 2, balance: BALANCE - 150n * TOKEN, spent: 150n * TOKEN, requests: 1 }),
        appliedEventIds: [finalEventId(applied.requestId)],
      });
      expect(await inspect()).toMatchObject({
        left: BALANCE - 300n * TOKEN,
        spent: 300n * TOKEN,
        requests: 2,
      });
      expect(await store.pendingOf([ACCOUNT], 1_000)).toEqual([
        { accountId: ACCOUNT, eventId: finalEventId(open.requestId) },
      ]);
    });

    it('takes applied charges out of pending also where a newer balance came first', async () => {
      await heat(store, { ledger: aLedger({ balance: BALANCE }) });
      const first = await settleOne();
      const second = await settleOne();
      await heat(store, {
        ledger: aLedger({ version: 3, balance: BALANCE - 300n * TOKEN }),
        appliedEventIds: [finalEventId(second.requestId)],
      });
      await heat(store, {
        ledger: aLedger({ version: 2, balance: BALANCE - 150n * TOKEN }),
        appliedEventIds: [finalEventId(first.requestId)],
      });
      expect((await inspect()).left).toBe(BALANCE - 300n * TOKEN);
      expect(await store.pendingOf([ACCOUNT], 1_000)).toEqual([]);
    });

    it('ignores applied ids without the balance that contains them, and ids that are not pending', async () => {
      await heat(store, { ledger: aLedger({ balance: BALANCE }) });
      const hold = await settleOne();
      await heat(store, { ledger: null, appliedEventIds: [finalEventId(hold.requestId)] });
      expect((await inspect()).left).toBe(BALANCE - 150n * TOKEN);
      await heat(store, { appliedEventIds: ['nobody:final', 'nonsense', ''] });
      expect((await inspect()).left).toBe(BALANCE - 150n * TOKEN);
    });

    it('joins what keys have spent where the version is the same', async () => {
      const keys = [aKey({ cap: 100n }), aKey({ keyId: 'key_2', cap: 100n })];
      await heat(store, { ledger: aLedger({ spentByKey: { [KEY]: 100n } }), profile: aProfile({ keys }) });
      await heat(store, { ledger: aLedger({ spentByKey: { key_2: 100n } }), profile: null });
      for (const keyId of [KEY, 'key_2'])
        expect(await store.admit(anAdmission({ keyId }))).toMatchObject({
          reason: 'key_cap_reached',
          available: 0n,
        });
    });

    // Guarantee: what was read before the store lost its content is not written after it.
    it('takes nothing that was read under another generation', async () => {
      expect(await store.publish([aPublication()], 'another')).toBe(false);
      expect((await store.inspect(ACCOUNT, KEY, 'nothing')).outcome).toBe('cold');
      expect(await store.publish([aPublication()], await store.generation())).toBe(true);
      expect((await store.inspect(ACCOUNT, KEY, 'nothing')).outcome).toBe('known');
    });
  });

  describe('inspect', () => {
    it('shows what is left without holds, and whether the key is active', async () => {
      await heat(store, { ledger: aLedger({ balance: BALANCE, spent: 5n, requests: 2 }) });
      await grant(store);
      expect(await inspect()).toEqual({
        outcome: 'known',
        keyActive: true,
        left: BALANCE,
        spent: 5n,
        requests: 2,
        keyBudget: null,
        profile: aProfile(),
        // The request that holds credit is one of its limit.
        limits: expect.objectContaining({
          requests: expect.objectContaining({ remaining: aProfile().limits.rpm - 1 }),
        }),
        retryAfterMs: null,
      });
      expect((await inspect('key_nobody')).keyActive).toBe(false);
    });

    it('shows what a key with a cap has spent and has left, pending charges included', async () => {
      await heat(store, {
        ledger: aLedger({ spentByKey: { [KEY]: 30n * TOKEN } }),
        profile: aProfile({ keys: [aKey({ cap: 2_000n * TOKEN })] }),
      });
      const { hold } = await grant(store, { ceiling: 100 });
      await store.settle(aSettlement(hold, { charge: aCharge(15, 5) }));
      await grant(store, { ceiling: 100 });
      expect(await inspect()).toMatchObject({ keyBudget: { spent: 50n * TOKEN, left: 1_950n * TOKEN } });
    });

    it('of a key whose spending is not known is cold', async () => {
      await heat(store, { ledger: aLedger(), profile: aProfile({ keys: [aKey({ cap: 5n })] }) });
      expect(await store.inspect(ACCOUNT, KEY, 'nothing')).toEqual({ outcome: 'cold' });
    });

    it('of a cold account is cold, and asks for it', async () => {
      expect(await store.inspect(ACCOUNT, KEY, 'nothing')).toEqual({ outcome: 'cold' });
      expect(await store.takeWanted(10)).toEqual([ACCOUNT]);
    });

    it('lets 120 reads a minute through, apart from requests, whose limits it shows', async () => {
      await heat(store, { profile: aProfile({ limits: { rpm: 1, tpm: 1_000, concurrency: 1 } }) });
      for (let read = 1; read <= 120; read += 1)
        expect(await inspect(KEY, 'read')).toMatchObject({
          limits: { requests: { limit: 1, remaining: 1 } },
          retryAfterMs: null,
        });
      const { retryAfterMs } = await inspect(KEY, 'read');
      expect(retryAfterMs).toBeGreaterThan(0);
      expect((await inspect()).retryAfterMs).toBeNull();
      await grant(store, { ceiling: 1 });
      await harness.advance(retryAfterMs!);
      expect((await inspect(KEY, 'read')).retryAfterMs).toBeNull();
    });

    it('lets 600 malformed requests of a key a minute through, apart from reads and from other keys', async () => {
      await heat(store, { profile: aProfile({ keys: [aKey(), aKey({ keyId: 'key_2' })] }) });
      for (let request = 1; request <= 600; request += 1)
        expect((await inspect(KEY, 'malformed')).retryAfterMs).toBeNull();
      const { retryAfterMs } = await inspect(KEY, 'malformed');
      expect(retryAfterMs).toBeGreaterThan(0);
      expect(retryAfterMs).toBeLessThanOrEqual(60_000);
      expect((await inspect(KEY, 'read')).retryAfterMs).toBeNull();
      expect((await inspect('key_2', 'malformed')).retryAfterMs).toBeNull();
      await harness.advance(retryAfterMs!);
      expect((await inspect(KEY, 'malformed')).retryAfterMs).toBeNull();
    });
  });

  describe('the outbox', () => {
    const seqs = async (limit = 100) => (await store.readOutbox(0, limit)).map(({ seq }) => seq);

    it('keeps events in their order, and the same ones until they are acknowledged', async () => {
      await heat(store);
      const holds = [await settleOne(), await settleOne(), await settleOne()];
      const entries = await store.readOutbox(0, 100);
      expect(entries.map(({ event }) => event.data.requestId)).toEqual(
        holds.map(({ requestId }) => requestId),
      );
      expect(await store.readOutbox(0, 100)).toEqual(entries);
      expect(await seqs(2)).toEqual(entries.slice(0, 2).map(({ seq }) => seq));
      await store.ackOutbox(0, entries[1]!.seq);
      expect(await store.readOutbox(0, 100)).toEqual(entries.slice(2));
      await harness.restart();
      store = harness.store;
      expect(await store.readOutbox(0, 100)).toEqual(entries.slice(2));
      await heat(store);
      await settleOne();
      const [, next] = await seqs();
      expect(next).toBeGreaterThan(entries[2]!.seq);
    });

    it('never gives a place twice, also after everything was acknowledged', async () => {
      await heat(store);
      await settleOne();
      const [first] = await seqs();
      await store.ackOutbox(0, first!);
      await harness.restart();
      store = harness.store;
      await heat(store);
      await settleOne();
      expect((await seqs())[0]).toBeGreaterThan(first!);
    });

    it('shows its depth and age', async () => {
      await heat(store);
      await settleOne();
      await harness.advance(2_000);
      await settleOne();
      expect(await store.stats()).toMatchObject({ outboxDepth: 2, outboxAgeMs: 2_000 });
    });
  });

  describe('what is pending', () => {
    it('is named when it is older than asked', async () => {
      await heat(store);
      const first = await settleOne();
      await harness.advance(30_000);
      await settleOne();
      await harness.advance(30_001);
      const event = { accountId: ACCOUNT, eventId: finalEventId(first.requestId) };
      expect(await store.stalePending(60_000, null, 10)).toEqual({ events: [event], next: null });
      const { events, next } = await store.stalePending(10_000, null, 1);
      expect(events).toEqual([event]);
      const { events: rest, next: end } = await store.stalePending(10_000, next, 1);
      expect([rest.length, end]).toEqual([1, null]);
      expect(rest).not.toEqual(events);
    });

    it('is named by account', async () => {
      await heat(store);
      await settleOne();
      await store.settle(aSettlement(aHold({ accountId: 'acc_2' })));
      expect(await store.pendingOf(['acc_2'], 1_000)).toMatchObject([{ accountId: 'acc_2' }]);
      expect(await store.pendingOf([ACCOUNT, 'acc_2', 'acc_3'], 1_000)).toHaveLength(2);
      const both = await store.pendingOf([ACCOUNT, 'acc_2'], 1);
      await settleOne();
      expect(await store.pendingOf([ACCOUNT, 'acc_2'], 1)).toEqual(both);
      expect(await store.pendingOf([ACCOUNT], 2)).toHaveLength(2);
    });
  });

  it('names every account that it knows, page by page', async () => {
    const ids = Array.from({ length: 7 }, (_, index) => `acc_${index}`);
    for (const accountId of ids) await heat(store, { accountId });
    const named: string[] = [];
    for (let cursor: string | null = null, pages = 0; pages < 10; pages += 1) {
      const page: { accountIds: readonly string[]; next: string | null } = await store.accountIds(cursor, 3);
      named.push(...page.accountIds);
      if ((cursor = page.next) === null) break;
    }
    expect([...new Set(named)].sort()).toEqual(ids);
  });

  describe('purge', () => {
    const applied = (requestId: string, version: number) =>
      heat(store, { ledger: aLedger({ version }), appliedEventIds: [finalEventId(requestId)] });

    it('forgets what ended an hour ago, is applied and has left the outbox, and nothing else', async () => {
      await heat(store);
      const done = await settleOne();
      await applied(done.requestId, 2);
      const pending = await settleOne();
      const voided = await grant(store);
      await store.void(voided.hold.requestId, ACCOUNT, false);
      const undelivered = await settleOne();
      await applied(undelivered.requestId, 3);
      const [, second] = await store.readOutbox(0, 100);
      await store.ackOutbox(0, second!.seq);
      await harness.advance(3_599_999);
      expect(await store.purge(100)).toBe(0);
      await harness.advance(1);
      const running = await grant(store);
      expect(await store.purge(1)).toBe(1);
      expect(await store.purge(100)).toBe(1);
      expect(await store.stats()).toMatchObject({ tombstones: 2, pending: 1, holds: 1, outboxDepth: 1 });
      for (const { requestId } of [pending, undelivered])
        expect(await store.admit(anAdmission({ requestId }))).toEqual({ outcome: 'ended' });
      expect(await store.renew(running.hold, 0)).toMatchObject({ outcome: 'renewed' });
      for (const { requestId } of [done, voided.hold]) await grant(store, { requestId });
    });

    it('forgets the oldest early where there are too many', async () => {
      await harness.close();
      harness = await open({ tombstonesMax: 3 });
      store = harness.store;
      for (const name of ['a', 'b', 'c', 'd']) await store.void(name, ACCOUNT, false);
      expect(await store.stats()).toMatchObject({ tombstones: 3 });
      await heat(store);
      await grant(store, { requestId: 'a' });
      expect(await store.admit(anAdmission({ requestId: 'b' }))).toEqual({ outcome: 'ended' });
    });

    // Guarantee: charges that Postgres never contains, such as events that were put aside, do not undo the bound.
    it('forgets others where the oldest may not be, and more of them once they may', async () => {
      await harness.close();
      harness = await open({ tombstonesMax: 3 });
      store = harness.store;
      await heat(store);
      const stuck = await settleOne();
      for (let count = 0; count < 10; count += 1) await store.void(`voided-${count}`, ACCOUNT, false);
      expect(await store.stats()).toMatchObject({ tombstones: 3, pending: 1, outboxDepth: 1 });
      expect(await store.settle(aSettlement(stuck))).toMatchObject({ repeated: true });

      const others = [await settleOne(), await settleOne(), await settleOne(), await settleOne()];
      expect(await store.stats()).toMatchObject({ tombstones: 5, pending: 5 });
      await store.ackOutbox(0, Number.MAX_SAFE_INTEGER);
      const ids = others.map(({ requestId }) => finalEventId(requestId));
      await heat(store, { ledger: aLedger({ version: 2 }), appliedEventIds: ids });
      for (let count = 0; count < 3; count += 1) await store.void(`voided-later-${count}`, ACCOUNT, false);
      expect(await store.stats()).toMatchObject({ tombstones: 3, pending: 1, outboxDepth: 0 });
      expect(await store.settle(aSettlement(stuck))).toMatchObject({ repeated: true });
    });
  });

  // Guarantee: what was answered is there after the process was killed.
  it('is after a restart, once its account is read, what it was before', async () => {
    const limits = { rpm: 10, tpm: 5_000, concurrency: 10 };
    const read = () =>
      heat(store, {
        ledger: aLedger({ balance: BALANCE, spentByKey: { [KEY]: 1n } }),
        profile: aProfile({ limits, keys: [aKey({ cap: 1_000_000_000n }), aKey({ keyId: 'key_2' })] }),
      });
    await read();
    const running = await grant(store, { ceiling: 100, promptLikely: 50 });
    await store.renew(running.hold, 7);
    await settleOne({ charge: aCharge(10, 20) });
    const voided = await grant(store);
    await store.void(voided.hold.requestId, ACCOUNT, true);
    const look = async () => ({
      stats: await store.stats(),
      state: await inspect(),
      outbox: await store.readOutbox(0, 10),
      pending: await store.pendingOf([ACCOUNT], 1_000),
      generation: await store.generation(),
      denial: await store.admit(anAdmission({ ceiling: 100_000 })),
      repeated: await store.admit(anAdmission({ requestId: running.hold.requestId })),
      ended: await store.admit(anAdmission({ requestId: voided.hold.requestId })),
    });
    const before = await look();
    await harness.restart();
    store = harness.store;
    await read();
    expect(await look()).toEqual(before);
  });

  // Guarantee: a store whose file is an older copy sells nothing on the strength of it.
  it('has no hot account after its opening until that account is read', async () => {
    await heat(store, { ledger: aLedger({ version: 7, balance: BALANCE }) });
    await harness.restart();
    store = harness.store;
    expect(await store.admit(anAdmission())).toEqual({ outcome: 'cold' });
    // News of a commit may be older than the file, or have been on its way since before.
    await store.publish([aPublication({ ledger: aLedger({ version: 8, balance: BALANCE }) })], null);
    expect(await store.inspect(ACCOUNT, KEY, 'nothing')).toEqual({ outcome: 'cold' });
    expect(await store.takeWanted(10)).toEqual([ACCOUNT]);
    await heat(store, { ledger: aLedger({ version: 6, balance: 2n * BALANCE }) });
    expect((await inspect()).left).toBe(BALANCE);
  });
};
