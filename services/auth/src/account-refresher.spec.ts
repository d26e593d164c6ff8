import { beforeEach, describe, expect, it } from '@jest/globals';
import { finalEventId } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import { AccountRefresher } from './account-refresher.js';
import { ACCOUNT, aHold, aLedger, aProfile, aSettlement, KEY, TOKEN } from './store/testing/builders.js';
import { MemoryAdmissionStore } from './store/testing/memory-admission-store.js';
import { anAccountRecord, away, MemoryAccountSource } from './testing/memory-account-source.js';
import { aSnapshot } from './testing/memory-catalog-source.js';

const { tiers } = aSnapshot(1).catalog;

describe('AccountRefresher', () => {
  let store: MemoryAdmissionStore;
  let source: MemoryAccountSource;
  let unconfirmed: unknown[];
  let refresher: AccountRefresher;
  beforeEach(() => {
    store = new MemoryAdmissionStore(new TestClock());
    source = new MemoryAccountSource();
    unconfirmed = [];
    refresher = new AccountRefresher(
      store,
      source,
      () => tiers,
      (error) => unconfirmed.push(error),
    );
  });

  const inspect = async () => {
    const result = await store.inspect(ACCOUNT, KEY, 'nothing');
    if (result.outcome !== 'known') throw new Error('cold');
    return result;
  };

  it('makes accounts hot, says which exist, and confirms what the store has', async () => {
    source.put(
      anAccountRecord({
        ledger: aLedger({ version: 3 }),
        profile: { ...anAccountRecord().profile, version: 4 },
      }),
    );
    expect(await refresher.refresh([ACCOUNT, 'acc_nobody'])).toEqual(new Set([ACCOUNT]));
    expect((await inspect()).left).toBe(aLedger().balance);
    expect(source.confirmed).toEqual([{ accountId: ACCOUNT, ledger: 3, profile: 4 }]);
  });

  it('fills limits that an account has not of its own from its tier', async () => {
    const profile = { ...aProfile({ tier: 'free' }), limits: { rpm: 7, tpm: null, concurrency: null } };
    source.put(anAccountRecord({ profile }));
    await refresher.refresh([ACCOUNT]);
    expect((await inspect()).profile.limits).toEqual({ rpm: 7, tpm: 500_000, concurrency: 5 });
  });

  // Guarantee: only what the snapshot contains leaves the pending set.
  it('asks which pending events are applied, and takes out those alone', async () => {
    const [applied, open] = [aHold(), aHold()];
    await store.settle(aSettlement(applied));
    await store.settle(aSettlement(open));
    source.applied.add(finalEventId(applied.requestId));
    source.put(anAccountRecord({ ledger: aLedger({ balance: 1_000n * TOKEN }) }));
    await refresher.refresh([ACCOUNT]);
    expect(source.reads[0]!.events).toEqual(
      [applied, open].map(({ requestId }) => ({ accountId: ACCOUNT, eventId: finalEventId(requestId) })),
    );
    expect((await inspect()).left).toBe(850n * TOKEN);
    expect(await store.pendingOf([ACCOUNT], 1_000)).toEqual([
      { accountId: ACCOUNT, eventId: finalEventId(open.requestId) },
    ]);
  });

  // Guarantee: what one read asks is bounded, and no account's backlog takes it from the others.
  it('asks about a bounded number of events, the oldest of each account', async () => {
    const asked: number[] = [];
    class Asked extends MemoryAdmissionStore {
      override pendingOf(accountIds: readonly string[], limitEach: number) {
        asked.push(limitEach);
        return super.pendingOf(accountIds, limitEach);
      }
    }
    const ids = Array.from({ length: 250 }, (_, index) => `acc_${index}`);
    for (const accountId of ids) source.put(anAccountRecord({ accountId }));
    refresher = new AccountRefresher(
      new Asked(new TestClock()),
      source,
      () => tiers,
      () => undefined,
    );
    await refresher.refresh(ids);
    expect(asked).toEqual([100, 400]);
  });

  // Guarantee: charges that no ledger takes do not keep an account's newer ones pending.
  it('reads an account that has more than its share again alone', async () => {
    const asked: (readonly [accounts: number, limitEach: number])[] = [];
    const many = Array.from({ length: 100 }, (_, index) => ({ accountId: ACCOUNT, eventId: `e${index}` }));
    class Full extends MemoryAdmissionStore {
      override pendingOf(accountIds: readonly string[], limitEach: number) {
        asked.push([accountIds.length, limitEach]);
        return Promise.resolve(many.slice(0, limitEach));
      }
    }
    const ids = [ACCOUNT, ...Array.from({ length: 199 }, (_, index) => `acc_${index}`)];
    for (const accountId of ids) source.put(anAccountRecord({ accountId }));
    refresher = new AccountRefresher(
      new Full(new TestClock()),
      source,
      () => tiers,
      () => undefined,
    );
    await refresher.refresh(ids);
    expect(asked).toEqual([
      [200, 100],
      [1, 20_000],
    ]);
  });

  it('leaves an event pending that was settled while Postgres was read', async () => {
    const hold = aHold();
    source.put(anAccountRecord({ ledger: aLedger({ balance: 1_000n * TOKEN }) }));
    source.before = async () => {
      await store.settle(aSettlement(hold));
    };
    await refresher.refresh([ACCOUNT]);
    expect((await inspect()).left).toBe(850n * TOKEN);
  });

  // Guarantee: a store that was emptied is not filled with what was read before.
  it('reads again if the store lost its content meanwhile', async () => {
    source.put();
    let resets = 1;
    source.before = async () => {
      if ((resets -= 1) >= 0) store.reset();
    };
    await refresher.refresh([ACCOUNT]);
    expect(source.reads).toHaveLength(2);
    expect((await inspect()).left).toBe(aLedger().balance);
    resets = 99;
    await expect(refresher.refresh([ACCOUNT])).rejects.toMatchObject({ code: 'service_unavailable' });
  });

  it('fails and publishes nothing without Postgres or a catalog', async () => {
    source.put();
    source.before = away;
    await expect(refresher.refresh([ACCOUNT])).rejects.toMatchObject({ code: 'service_unavailable' });
    source.before = () => Promise.resolve();
    const early = new AccountRefresher(
      store,
      source,
      () => undefined,
      () => undefined,
    );
    await expect(early.refresh([ACCOUNT])).rejects.toMatchObject({ code: 'service_unavailable' });
    expect((await store.inspect(ACCOUNT, KEY, 'nothing')).outcome).toBe('cold');
  });

  it('does not fail for a confirmation that could not be recorded', async () => {
    source.put();
    source.confirm = away;
    expect(await refresher.refresh([ACCOUNT])).toEqual(new Set([ACCOUNT]));
    expect(unconfirmed).toHaveLength(1);
  });

  it('reads many accounts in parts', async () => {
    const ids = Array.from({ length: 450 }, (_, index) => `acc_${index}`);
    for (const accountId of ids) source.put(anAccountRecord({ accountId }));
    expect((await refresher.refresh(ids)).size).toBe(450);
    expect(source.reads.map(({ accountIds }) => accountIds.length)).toEqual([200, 200, 50]);
  });
});
