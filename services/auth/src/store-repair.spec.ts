import { beforeEach, describe, expect, it } from '@jest/globals';
import { TestClock } from '@tunan/kernel/testing';
import { StoreRepair } from './store-repair.js';
import { aHold, anAdmission, aSettlement } from './store/testing/builders.js';
import { MemoryAdmissionStore } from './store/testing/memory-admission-store.js';
import { heat } from './store/testing/store-harness.js';

describe('StoreRepair', () => {
  let clock: TestClock;
  let store: MemoryAdmissionStore;
  let refreshed: string[][];
  let repair: StoreRepair;
  let fail: boolean;
  beforeEach(async () => {
    clock = new TestClock();
    store = new MemoryAdmissionStore(clock);
    refreshed = [];
    fail = false;
    const refresh = (accountIds: readonly string[]): Promise<ReadonlySet<string>> => {
      refreshed.push([...accountIds]);
      return fail ? Promise.reject(new Error('away')) : Promise.resolve(new Set());
    };
    repair = new StoreRepair(store, { refresh }, 60_000);
    // The first round reads everything, which is nothing yet.
    await repair.run();
  });

  it('has nothing to do where nothing is wrong', async () => {
    await heat(store);
    await store.settle(aSettlement(aHold()));
    clock.advance(59_999);
    expect(await repair.run()).toBe(0);
    expect(refreshed).toEqual([]);
  });

  // Guarantee: a publication that was lost is made good without anybody having noticed.
  it('reads accounts again whose charge has been pending for long, again and again until it is not', async () => {
    for (const accountId of ['acc_1', 'acc_2', 'acc_1'])
      await store.settle(aSettlement(aHold({ accountId })));
    clock.advance(60_000);
    expect(await repair.run()).toBe(2);
    fail = true;
    await expect(repair.run()).rejects.toThrow('away');
    expect(refreshed).toEqual([
      ['acc_1', 'acc_2'],
      ['acc_1', 'acc_2'],
    ]);
  });

  // Guarantee: charges that Postgres never contains, such as events that were put aside, keep nobody from his turn.
  it('comes to every account, however many charges stay pending before it', async () => {
    for (let count = 0; count < 2_000; count += 1) await store.settle(aSettlement(aHold()));
    await store.settle(aSettlement(aHold({ accountId: 'acc_2' })));
    clock.advance(60_000);
    for (let round = 0; round < 6; round += 1) await repair.run();
    expect(refreshed).toEqual([['acc_1'], ['acc_1'], ['acc_2'], ['acc_1'], ['acc_1'], ['acc_2']]);
  });

  it('does not stay at accounts that can’t be read', async () => {
    for (let count = 0; count < 1_000; count += 1) await store.settle(aSettlement(aHold()));
    await store.settle(aSettlement(aHold({ accountId: 'acc_2' })));
    clock.advance(60_000);
    fail = true;
    for (let round = 0; round < 2; round += 1) await expect(repair.run()).rejects.toThrow('away');
    expect(refreshed).toEqual([['acc_1'], ['acc_2']]);
  });

  it('reads cold accounts that were asked for', async () => {
    await store.admit(anAdmission({ accountId: 'acc_7' }));
    expect(await repair.run()).toBe(1);
    expect(refreshed).toEqual([['acc_7']]);
    expect(await repair.run()).toBe(0);
  });

  // Guarantee: what an older copy of the store's file claims, and a tier's former limits, are in force only this long.
  it('reads every account that the store knows first, page by page, and again when it is told to', async () => {
    const ids = Array.from({ length: 2_300 }, (_, index) => `acc_${index}`);
    for (const accountId of ids) await heat(store, { accountId });
    repair.readAllAgain();
    fail = true;
    await expect(repair.run()).rejects.toThrow('away');
    fail = false;
    refreshed.length = 0;
    expect(await repair.run()).toBe(2_300);
    expect(refreshed.map((page) => page.length)).toEqual([1_000, 1_000, 300]);
    expect(new Set(refreshed.flat())).toEqual(new Set(ids));
    expect(await repair.run()).toBe(0);
  });

  // Guarantee: a stop does not wait until every account of a large store is read.
  it('ends between two pages when it is stopped', async () => {
    for (let index = 0; index < 2_300; index += 1) await heat(store, { accountId: `acc_${index}` });
    await store.admit(anAdmission({ accountId: 'acc_cold' }));
    repair.readAllAgain();
    expect(await repair.run(AbortSignal.abort())).toBe(1_000);
    expect(refreshed.map((page) => page.length)).toEqual([1_000]);
  });
});
