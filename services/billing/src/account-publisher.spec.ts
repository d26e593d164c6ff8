import { beforeEach, describe, expect, it } from '@jest/globals';
import { TestClock } from '@tunan/kernel/testing';
import { createLogger } from '@tunan/service-kit';
import { Registry } from 'prom-client';
import { AccountPublisher, type AccountNews } from './account-publisher.js';
import { BillingMetrics } from './billing.metrics.js';
import { FakeAuth } from './testing/fake-auth.js';

const news = (accountId: string, version: number): AccountNews => ({
  account: { accountId, tier: 'free', balance: 1n, promo: 0n, spent: 0n, requests: 0, version },
  spentByKey: {},
  appliedEventIds: [],
});

describe('AccountPublisher', () => {
  let auth: FakeAuth;
  let clock: TestClock;
  let publisher: AccountPublisher;
  beforeEach(() => {
    auth = new FakeAuth();
    clock = new TestClock();
    publisher = new AccountPublisher(auth, new BillingMetrics(new Registry()), clock, createLogger('silent'));
  });

  it('remembers the newest version that the store confirmed, once', async () => {
    await publisher.publish([news('acc_1', 5), news('acc_2', 1)]);
    await publisher.publish([news('acc_1', 4)]);
    expect(publisher.takeConfirmed()).toEqual(
      new Map([
        ['acc_1', 5],
        ['acc_2', 1],
      ]),
    );
    expect(publisher.takeConfirmed()).toEqual(new Map());
  });

  it('remembers nothing that was not confirmed', async () => {
    auth.before = () => Promise.reject(new Error('away'));
    await publisher.publish([news('acc_1', 5)]);
    expect(publisher.takeConfirmed()).toEqual(new Map());
  });

  // Guarantee: a store that hangs, in this process or another, holds a delivery for five seconds at most.
  it('gives a stuck store up after five seconds', async () => {
    auth.before = () => new Promise(() => undefined);
    const publishing = publisher.publish([news('acc_1', 5)]);
    expect(clock.waiting).toBe(1);
    clock.advance(5_000);
    await publishing;
    expect(publisher.takeConfirmed()).toEqual(new Map());
  });

  it('leaves no timer behind', async () => {
    await publisher.publish([news('acc_1', 5)]);
    await publisher.refresh('acc_1');
    expect(clock.waiting).toBe(0);
  });

  it('keeps to the limit of one call', async () => {
    let calls = 0;
    auth.before = async () => void (calls += 1);
    await publisher.publish(Array.from({ length: 5_001 }, (_, index) => news(`acc_${index}`, 1)));
    expect(calls).toBe(2);
    expect(auth.publications).toHaveLength(5_001);
  });
});
