import { beforeEach, describe, expect, it } from '@jest/globals';
import { TestClock } from '@tunan/kernel/testing';
import { StoreReconciliation } from './store-reconciliation.js';
import {
  ACCOUNT,
  KEY,
  aHold,
  aLedger,
  anAdmission,
  aPublication,
  aSettlement,
} from './store/testing/builders.js';
import { MemoryAdmissionStore } from './store/testing/memory-admission-store.js';
import { heat } from './store/testing/store-harness.js';
import { anAccountRecord, MemoryAccountSource } from './testing/memory-account-source.js';

const NOTHING = { balances: 0, events: 0, holds: 0 };

describe('StoreReconciliation', () => {
  let clock: TestClock;
  let store: MemoryAdmissionStore;
  let source: MemoryAccountSource;
  let logged: string[];
  let reconciliation: StoreReconciliation;

  beforeEach(async () => {
    clock = new TestClock();
    store = new MemoryAdmissionStore(clock);
    source = new MemoryAccountSource();
    logged = [];
    const logger = { error: (_facts: unknown, message?: string) => void logged.push(message ?? '') };
    reconciliation = new StoreReconciliation(store, source, logger as never, {
      accounts: 500,
      pendingMs: 60_000,
      holdMs: 900_000,
    });
    await heat(store, { ledger: aLedger({ spentByKey: { [KEY]: 0n } }) });
    source.put();
  });

  it('finds nothing where nothing is wrong: running, pending and delivered requests included', async () => {
    await store.admit(anAdmission());
    await store.settle(aSettlement(aHold()));
    const hold = aHold();
    await store.settle(aSettlement(hold));
    await store.ackOutbox(0, 2);
    source.applied.add(`${hold.requestId}:final`);
    expect(await reconciliation.run()).toEqual(NOTHING);
    expect(logged).toEqual([]);
  });

  it('takes a store that is behind for what it is: on its way', async () => {
    source.put(anAccountRecord({ ledger: aLedger({ version: 2, balance: 5n }) }));
    expect(await reconciliation.run()).toEqual(NOTHING);
  });

  it.each([
    { balance: aLedger().balance - 1n },
    { spent: 1n },
    { requests: 1 },
    { spentByKey: { [KEY]: 1n, key_2: 0n } },
  ])('counts a figure that is not the ledger’s of the same version, until it is again: %p', async (wrong) => {
    source.put(anAccountRecord({ ledger: aLedger({ spentByKey: { [KEY]: 0n }, ...wrong }) }));
    expect(await reconciliation.run()).toEqual({ ...NOTHING, balances: 1 });
    expect(await reconciliation.run()).toEqual({ ...NOTHING, balances: 1 });
    expect(logged).toHaveLength(1);
    source.put();
    expect(await reconciliation.run()).toEqual(NOTHING);
  });

  it('misses no key that only one of the two names', async () => {
    source.put(anAccountRecord({ ledger: aLedger({ spentByKey: { key_new: 5n } }) }));
    expect(await reconciliation.run()).toEqual(NOTHING);
  });

  it('counts a store that is ahead of the ledger, and an account that does not exist', async () => {
    await store.publish([aPublication({ ledger: aLedger({ version: 3 }) })], null);
    await store.publish([aPublication({ accountId: 'acc_gone' })], null);
    expect(await reconciliation.run()).toEqual({ ...NOTHING, balances: 2 });
  });

  it('looks at every account in turn, a bounded number in a round', async () => {
    for (let index = 0; index < 900; index += 1) {
      const accountId = `acc_${String(index).padStart(4, '0')}`;
      await store.publish([aPublication({ accountId })], null);
      source.put(anAccountRecord({ accountId }));
    }
    source.accounts.delete('acc_0899');
    expect((await reconciliation.run()).balances).toBe(0);
    expect(Math.max(...source.reads.map(({ accountIds }) => accountIds.length))).toBeLessThanOrEqual(200);
    expect((await reconciliation.run()).balances).toBe(1);
  });

  it('counts a delivered event that Postgres lacks, and not one that waits for its delivery', async () => {
    await store.settle(aSettlement(aHold()));
    clock.advance(60_000);
    expect(await reconciliation.run()).toEqual(NOTHING);
    const [entry] = await store.readOutbox(0, 1);
    await store.ackOutbox(0, entry!.seq);
    expect(await reconciliation.run()).toEqual({ ...NOTHING, events: 1 });
    source.applied.add(entry!.event.id);
    expect(await reconciliation.run()).toEqual(NOTHING);
  });

  it('counts a hold that is older than any stream, however often it was renewed', async () => {
    const admitted = await store.admit(anAdmission({ accountId: ACCOUNT }));
    if (admitted.outcome !== 'granted') throw new Error(admitted.outcome);
    clock.advance(899_999);
    await store.renew(admitted.hold, 10);
    expect(await reconciliation.run()).toEqual(NOTHING);
    clock.advance(1);
    expect(await reconciliation.run()).toEqual({ ...NOTHING, holds: 1 });
    await store.settle(aSettlement(admitted.hold));
    expect(await reconciliation.run()).toEqual(NOTHING);
  });
});
