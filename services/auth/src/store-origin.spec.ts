import { beforeEach, describe, expect, it } from '@jest/globals';
import { TestClock } from '@tunan/kernel/testing';
import { StoreOrigin } from './store-origin.js';
import { anAdmission } from './store/testing/builders.js';
import { MemoryAdmissionStore, TEST_LIMITS } from './store/testing/memory-admission-store.js';
import { heat } from './store/testing/store-harness.js';
import { away } from './testing/memory-account-source.js';
import { MemoryStoreRegister } from './testing/memory-store-register.js';

describe('StoreOrigin', () => {
  let store: MemoryAdmissionStore;
  let register: MemoryStoreRegister;
  let errors: unknown[];
  let origin: StoreOrigin;
  beforeEach(async () => {
    store = new MemoryAdmissionStore(new TestClock(), { ...TEST_LIMITS, returnMs: 20_000 });
    register = new MemoryStoreRegister();
    errors = [];
    origin = new StoreOrigin(store, register, (error) => errors.push(error));
    await heat(store);
  });
  const admit = async () => (await store.admit(anAdmission())).outcome;

  it('has the first store of a database grant at once, and asks once for many', async () => {
    expect(await admit()).toBe('incomplete');
    expect(await Promise.all([1, 2, 3].map(() => origin.isFirst()))).toEqual([true, true, true]);
    expect(await admit()).toBe('granted');
    expect(register.asked).toBe(1);
  });

  // Guarantee: credit that is set aside for a running request is not sold again because a disk was lost.
  it('leaves a store waiting that replaces another, and asks no more', async () => {
    await origin.isFirst();
    store.reset();
    await heat(store);
    for (let count = 0; count < 3; count += 1) expect(await origin.isFirst()).toBe(false);
    expect(await admit()).toBe('incomplete');
    expect(register.asked).toBe(2);
  });

  it('asks again where Postgres, or the store, was away', async () => {
    register.before = away;
    expect(await origin.isFirst()).toBe(false);
    register.before = async () => store.failNext(1);
    expect(await origin.isFirst()).toBe(false);
    expect(errors).toHaveLength(2);
    register.before = () => Promise.resolve();
    expect(await origin.isFirst()).toBe(true);
    expect(await admit()).toBe('granted');
  });

  // A store of another file while Postgres is asked: the answer was about the former one.
  it('says nothing of a store that was replaced meanwhile', async () => {
    register.before = async () => {
      store.reset();
      await heat(store);
    };
    await origin.isFirst();
    expect(await admit()).toBe('incomplete');
  });
});
