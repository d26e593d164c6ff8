import { beforeEach, describe, expect, it } from '@jest/globals';
import { SystemClock } from '@tunan/kernel';
import { createLogger, Health } from '@tunan/service-kit';
import { Registry } from 'prom-client';
import { AccountPublisher } from './account-publisher.js';
import { BillingMetrics } from './billing.metrics.js';
import { RepairPublications } from './repair-publications.js';
import { FakeAuth } from './testing/fake-auth.js';
import { MemoryLedger, MemoryPublicationLog } from './testing/memory-ledger.js';

describe('RepairPublications', () => {
  let log: MemoryPublicationLog;
  let auth: FakeAuth;
  let health: Health;
  let repair: RepairPublications;
  let publisher: AccountPublisher;
  beforeEach(() => {
    const ledger = new MemoryLedger();
    for (let index = 0; index < 5; index += 1) ledger.addAccount(`acc_${index}`);
    log = new MemoryPublicationLog(ledger);
    auth = new FakeAuth();
    auth.onRefresh = (accountIds) =>
      log.markPublished(new Map(accountIds.map((accountId) => [accountId, 1])));
    health = new Health();
    const [clock, metrics] = [new SystemClock(), new BillingMetrics(new Registry())];
    publisher = new AccountPublisher(auth, metrics, clock, createLogger('silent'));
    repair = new RepairPublications(log, publisher, auth, metrics, health.dependency('postgres'), clock, 2);
  });

  it('has every unpublished account read again, in bounded batches', async () => {
    await repair.run();
    expect(auth.refreshed).toEqual([['acc_0', 'acc_1'], ['acc_2', 'acc_3'], ['acc_4']]);
    await repair.run();
    expect(auth.refreshed).toHaveLength(3);
  });

  it('leaves alone what the store has confirmed', async () => {
    const account = {
      accountId: 'acc_0',
      tier: 'free',
      balance: 0n,
      promo: 0n,
      spent: 0n,
      requests: 0,
      version: 1,
    } as const;
    await publisher.publish([{ account, spentByKey: {}, appliedEventIds: [] }]);
    await repair.run();
    expect(auth.refreshed.flat()).toEqual(['acc_1', 'acc_2', 'acc_3', 'acc_4']);
  });

  // Guarantee: accounts that the store can't take do not starve those behind them.
  it('goes on behind a batch that fails, and comes back to it', async () => {
    let failing = true;
    auth.before = () => (failing ? Promise.reject(new Error('poison')) : Promise.resolve());
    await expect(repair.run()).rejects.toThrow('poison');
    failing = false;
    await repair.run();
    expect(auth.refreshed).toEqual([['acc_2', 'acc_3'], ['acc_4']]);
    await repair.run();
    expect(auth.refreshed.at(-1)).toEqual(['acc_0', 'acc_1']);
  });

  it('ends a round though refreshing helps nothing', async () => {
    auth.onRefresh = () => Promise.resolve();
    await repair.run();
    expect(auth.refreshed).toHaveLength(3);
  });

  it('reports Postgres, not the store, as the dependency that is down', async () => {
    auth.before = () => Promise.reject(new Error('away'));
    await expect(repair.run()).rejects.toThrow('away');
    expect(health.dependencies).toMatchObject([{ name: 'postgres', up: true }]);
    log.countUnpublished = () => Promise.reject(new Error('connection refused'));
    await expect(repair.run()).rejects.toThrow('connection refused');
    expect(health.dependencies).toMatchObject([
      { name: 'postgres', up: false, detail: 'connection refused' },
    ]);
  });
});
