import { beforeEach, describe, expect, it } from '@jest/globals';
import type { AdmitRequest, Hold } from '@tunan/contracts';
import { apiKeyDigest } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import { Registry } from 'prom-client';
import { AccountRefresher } from './account-refresher.js';
import { AuthMetrics } from './auth.metrics.js';
import { AuthService } from './auth.service.js';
import { Catalogs } from './catalogs.js';
import { ColdAccounts } from './cold-accounts.js';
import { KeyDirectory } from './key-directory.js';
import {
  ACCOUNT,
  aLedger,
  anAdmission,
  aProfile,
  aPublication,
  KEY,
  someUsage,
} from './store/testing/builders.js';
import { MemoryAdmissionStore, TEST_LIMITS } from './store/testing/memory-admission-store.js';
import { anAccountRecord, away, MemoryAccountSource } from './testing/memory-account-source.js';
import { aSnapshot, MemoryCatalogSource } from './testing/memory-catalog-source.js';
import { OneKeyLookup, PEPPER } from './testing/one-key-lookup.js';
import { MemoryStoreRegister } from './testing/memory-store-register.js';
import { MemoryUsageLedger } from './testing/memory-usage-ledger.js';
import { MemoryUsageSink } from './testing/memory-usage-sink.js';
import { StoreOrigin } from './store-origin.js';
import { UsageRelay } from './usage-relay.js';
import { MemoryIdempotentAnswers } from './testing/memory-idempotent-answers.js';

const SERVED = {
  provider: 'deepseek',
  upstreamModel: 'deepseek-chat',
  channel: 'main',
  attempts: 2,
  fallback: true,
};

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('AuthService', () => {
  let clock: TestClock;
  let store: MemoryAdmissionStore;
  let accounts: MemoryAccountSource;
  let catalogSource: MemoryCatalogSource;
  let ledger: MemoryUsageLedger;
  let sink: MemoryUsageSink;
  let registry: Registry;
  let relay: UsageRelay;
  let auth: AuthService;
  const setUp = async (limits = TEST_LIMITS): Promise<void> => {
    clock = new TestClock();
    store = new MemoryAdmissionStore(clock, limits);
    accounts = new MemoryAccountSource();
    catalogSource = new MemoryCatalogSource();
    catalogSource.activate(aSnapshot(1));
    ledger = new MemoryUsageLedger();
    sink = new MemoryUsageSink();
    registry = new Registry();
    const metrics = new AuthMetrics(registry);
    metrics.observeStore(() => store.stats());
    const catalogs = new Catalogs(catalogSource);
    await catalogs.poll();
    const refresher = new AccountRefresher(
      store,
      accounts,
      () => catalogs.active?.catalog.tiers,
      () => undefined,
    );
    relay = new UsageRelay(store, sink, clock, {
      batchMax: 100,
      lingerMs: 50,
      idleMs: 1_000,
      backOffMs: { first: 100, most: 1_000 },
      random: Math.random,
      onDelivered: (events) => metrics.relayed.inc(events),
      onError: () => undefined,
    });
    auth = new AuthService({
      store,
      catalogs,
      keys: new KeyDirectory(new OneKeyLookup(), [PEPPER], clock, {
        cacheMax: 10,
        hitMs: 1_000,
        missMs: 1_000,
      }),
      answers: new MemoryIdempotentAnswers(clock, 60_000),
      cold: new ColdAccounts(refresher, (outcome, count) => metrics.coldLoads.inc({ outcome }, count)),
      origin: new StoreOrigin(store, new MemoryStoreRegister(), () => undefined),
      refresher,
      relay,
      ledger,
      metrics,
      clock,
      coldWaitMs: 500,
    });
  };
  beforeEach(() => setUp());

  const request = (changes: Partial<AdmitRequest> = {}): AdmitRequest => {
    const { price: _price, ceilingDefault: _default, ...admission } = anAdmission(changes);
    return admission;
  };
  const grant = async (changes: Partial<AdmitRequest> = {}): Promise<Hold> => {
    const reply = await auth.admit(request(changes));
    if (reply.outcome !== 'granted') throw new Error(reply.outcome);
    return reply.hold;
  };
  const settle = (hold: Hold, changes: Partial<Parameters<AuthService['settle']>[0]> = {}) =>
    auth.settle({
      hold,
      outcome: 'completed',
      usage: someUsage(100, 50),
      deliveredTokens: 50,
      served: SERVED,
      traceparent: null,
      ...changes,
    });
  const heat = () => auth.publish({ publications: [aPublication()] });

  it('identifies keys', async () => {
    expect((await auth.identify({ keyDigest: apiKeyDigest('sk-known') })).principal).toMatchObject({
      keyId: KEY,
    });
    expect(await auth.identify({ keyDigest: apiKeyDigest('sk-unknown') })).toEqual({ principal: null });
  });

  describe('admit', () => {
    it('prices the hold by the snapshot that the request names', async () => {
      await heat();
      const dearer = aSnapshot(2);
      dearer.catalog.models[0]!.price = { input: 3_000_000_000n, output: 3_000_000_000n };
      catalogSource.activate(dearer);
      expect((await grant({ ceiling: 10 })).amount).toBe(125_000n + 20_000n);
      expect((await grant({ ceiling: 10, catalogVersion: 2 })).amount).toBe(3n * 135_000n);
    });

    it('takes the default ceiling of the model', async () => {
      await heat();
      expect(await grant()).toMatchObject({ ceiling: 1_000 });
      expect(await grant({ model: 'some-embedding', operation: 'embeddings' })).toMatchObject({ ceiling: 0 });
    });

    it('hands a denial through as a value', async () => {
      await auth.publish({ publications: [aPublication({ ledger: aLedger({ balance: 1n }) })] });
      expect(await auth.admit(request())).toEqual({
        outcome: 'denied',
        reason: 'credit',
        limits: expect.anything(),
        retryAfterMs: null,
        needed: 125_000n + 512_000n,
        available: 1n,
      });
    });

    // Guarantee: the first request of an account that is not hot is answered, not turned away.
    it('loads a cold account and then decides', async () => {
      accounts.put();
      const replies = await Promise.all([1, 2, 3].map(() => auth.admit(request())));
      expect(replies.map(({ outcome }) => outcome)).toEqual(['granted', 'granted', 'granted']);
      expect(accounts.reads).toHaveLength(1);
    });

    it('answers cold if the load takes too long, and is ready for the retry', async () => {
      accounts.put();
      const gate = Promise.withResolvers<void>();
      accounts.before = () => gate.promise;
      const reply = auth.admit(request());
      await turn();
      clock.advance(500);
      expect(await reply).toEqual({ outcome: 'cold', retryAfterMs: 1_000 });
      gate.resolve();
      await turn();
      expect((await auth.admit(request())).outcome).toBe('granted');
    });

    // Guarantee: trouble of ours is never told as the customer's.
    it('answers cold, never a denial, while Postgres is away', async () => {
      accounts.put();
      accounts.before = away;
      expect(await auth.admit(request())).toEqual({ outcome: 'cold', retryAfterMs: 1_000 });
    });

    it('denies the key of an account that does not exist', async () => {
      expect(await auth.admit(request())).toMatchObject({
        outcome: 'denied',
        reason: 'invalid_api_key',
        limits: null,
      });
    });

    it('fails for a request that has ended', async () => {
      await heat();
      const late = request();
      await auth.void({ requestId: late.requestId, accountId: ACCOUNT, giveBackRequest: true });
      await expect(auth.admit(late)).rejects.toMatchObject({ code: 'service_unavailable' });
    });

    it('fails while usage events can not leave', async () => {
      await setUp({ ...TEST_LIMITS, outboxMax: 1 });
      await heat();
      await settle(await grant());
      await expect(auth.admit(request())).rejects.toMatchObject({
        code: 'service_unavailable',
        retryAfterMs: 5_000,
      });
    });

    it('fails for a model that the snapshot does not have', async () => {
      await heat();
      await expect(auth.admit(request({ model: 'no-model' }))).rejects.toMatchObject({
        code: 'model_not_found',
      });
    });

    it('fails while the store is away', async () => {
      await heat();
      store.failNext(1);
      await expect(auth.admit(request())).rejects.toMatchObject({ code: 'service_unavailable' });
    });
  });

  describe('settle', () => {
    beforeEach(heat);

    it('charges by the rules, at the price of admission, and answers what is charged', async () => {
      const hold = await grant();
      catalogSource.activate(aSnapshot(2));
      const reply = await settle(hold);
      const account = await auth.inspect({ accountId: ACCOUNT, keyId: KEY, countedAs: 'nothing' });
      expect(reply).toEqual({
        cost: 100_000n + 100_000n,
        usage: someUsage(100, 50),
        flags: [],
        limits: (account as Extract<typeof account, { outcome: 'known' }>).limits,
      });
      expect(account).toMatchObject({ spent: 200_000n });
    });

    it('answers the same to a repetition, and counts it once', async () => {
      const hold = await grant();
      const first = await settle(hold);
      expect(await settle(hold, { outcome: 'aborted', usage: null })).toEqual(first);
      expect(await registry.getSingleMetricAsString('tunan_auth_settlements_total')).toContain(
        '{outcome="completed"} 1',
      );
    });

    it('estimates what the provider did not report', async () => {
      expect(await settle(await grant(), { outcome: 'aborted', usage: null, deliveredTokens: 7 })).toEqual({
        cost: 100_000n + 14_000n,
        usage: someUsage(100, 7),
        flags: ['estimated'],
        limits: expect.anything(),
      });
    });

    it('charges nothing where no provider was reached', async () => {
      expect(await settle(await grant(), { outcome: 'aborted', usage: null, served: null })).toMatchObject({
        cost: 0n,
      });
    });

    it('keeps the tokens of upstream work that nobody pays for counted, and gives others back', async () => {
      const failed = { outcome: 'failed', usage: null, deliveredTokens: 0, served: null } as const;
      const limit = (await settle(await grant(), failed)).limits!.tokens;
      expect(limit.remaining).toBe(limit.limit);
      const kept = await settle(await grant(), { ...failed, workedFor: true });
      expect(kept).toMatchObject({
        cost: 0n,
        flags: [],
        limits: { tokens: { remaining: limit.limit - 100 } },
      });
      expect(await registry.getSingleMetricAsString('tunan_auth_unpaid_tokens_total')).toContain(
        '{outcome="failed"} 100',
      );
    });

    const events = async () => (await store.readOutbox(0, 10)).map(({ event }) => event);

    it('fails once it has lapsed, and charges nothing', async () => {
      const hold = await grant();
      const lapsesAtMs = hold.admittedAtMs + 5_000;
      clock.advance(5_000);
      await expect(settle(hold, { lapsesAtMs })).rejects.toMatchObject({ code: 'settlement_lapsed' });
      expect(await store.stats()).toMatchObject({ holds: 1, pending: 0, outboxDepth: 0 });
    });

    // Guarantee: what the store has unmade is free, also once the ledger knows of it: its key may be used again.
    it('is lapsed where the ledger has it as failed, and not where it has a charge', async () => {
      const [unmade, booked] = [await grant(), await grant()];
      await settle(unmade, { outcome: 'failed', usage: null, served: null });
      await settle(booked);
      for (const event of await events()) await ledger.book(event);
      store.reset();
      const late = { lapsesAtMs: booked.admittedAtMs + 5_000 };
      clock.advance(5_000);
      await expect(settle(unmade, late)).rejects.toMatchObject({ code: 'settlement_lapsed' });
      await expect(settle(booked, late)).rejects.toMatchObject({ code: 'service_unavailable' });
    });

    /** Usage of an answer that costs more than its hold. */
    const above = { usage: someUsage(900, 1_000) };
    // Guarantee: the cost that a client is shown is the ledger's, also where the store has forgotten that it settled.
    it('above the hold asks the ledger, once the store may have lost an earlier settlement', async () => {
      const hold = await grant();
      const first = await settle(hold, above);
      expect(first).toMatchObject({ cost: 2_900_000n, flags: [] });
      const [event] = await events();
      await ledger.book(event!);
      store.reset();
      expect(await settle(hold, above)).toEqual({ ...first, limits: undefined });
      // It goes to billing again, as the same charge.
      expect(await events()).toMatchObject([
        { id: event!.id, data: { cost: first.cost, usage: first.usage } },
      ]);
      expect(await settle(hold, above)).toEqual({ ...first, limits: undefined });
    });

    it('is booked up to the hold where the ledger has none, so that no other can come first', async () => {
      const hold = await grant();
      store.reset();
      const reply = await settle(hold, above);
      expect(reply).toMatchObject({ cost: hold.amount, flags: ['overrun'] });
      expect([...ledger.events.values()]).toMatchObject([
        { data: { cost: hold.amount, flags: ['overrun'] } },
      ]);
      expect(await events()).toMatchObject([{ data: { cost: hold.amount, flags: ['overrun'] } }]);
    });

    it('is made by the store alone up to the hold, whatever it may have lost', async () => {
      const hold = await grant();
      store.reset();
      ledger.before = away;
      expect(await settle(hold)).toMatchObject({ cost: 200_000n });
    });

    it('fails, to be repeated, while the ledger can not be asked', async () => {
      const hold = await grant();
      store.reset();
      ledger.before = away;
      await expect(settle(hold, above)).rejects.toMatchObject({ code: 'service_unavailable' });
      expect(await store.stats()).toMatchObject({ pending: 0, outboxDepth: 0 });
    });

    // Guarantee: an error is not charged by a settlement that arrives afterwards, through billing neither.
    it('that lapses is only asked for: what the ledger does not have is not charged', async () => {
      const hold = await grant();
      const lapsing = { ...above, lapsesAtMs: hold.admittedAtMs + 5_000 };
      const first = await settle(hold, lapsing);
      const [event] = await events();
      store.reset();
      await expect(settle(hold, lapsing)).rejects.toMatchObject({ code: 'service_unavailable' });
      expect([ledger.events.size, await events()]).toEqual([0, []]);
      await ledger.book(event!);
      clock.advance(5_000);
      await expect(settle(hold, lapsing)).rejects.toMatchObject({ code: 'service_unavailable' });
      expect(await settle(hold, { ...lapsing, lapsesAtMs: lapsing.lapsesAtMs + 5_000 })).toEqual({
        ...first,
        limits: undefined,
      });
    });

    it('wakes the relay', async () => {
      relay.start();
      clock.advance(0);
      await turn();
      await settle(await grant());
      expect(sink.eventIds).toHaveLength(0);
      clock.advance(50);
      await turn();
      expect(sink.eventIds).toHaveLength(1);
      await relay.stop();
    });

    it('fails, to be repeated, while its snapshot can not be read', async () => {
      const hold = { ...(await grant()), catalogVersion: 9 };
      catalogSource.before = away;
      await expect(settle(hold)).rejects.toMatchObject({ code: 'service_unavailable' });
    });
  });

  describe('renew and void', () => {
    it('answer as the store does', async () => {
      await heat();
      const hold = await grant();
      expect(await auth.renew({ hold, deliveredTokens: 5 })).toEqual({ outcome: 'renewed', leaseMs: 60_000 });
      expect(
        await auth.void({ requestId: hold.requestId, accountId: ACCOUNT, giveBackRequest: false }),
      ).toEqual({});
      expect(await auth.renew({ hold, deliveredTokens: 5 })).toEqual({ outcome: 'settled' });
    });
  });

  describe('inspect', () => {
    it('loads a cold account', async () => {
      accounts.put(anAccountRecord({ ledger: aLedger({ balance: 42n }) }));
      const look = { accountId: ACCOUNT, keyId: KEY, countedAs: 'read' } as const;
      expect(await auth.inspect(look)).toMatchObject({ outcome: 'known', left: 42n, keyActive: true });
    });

    it('is cold while Postgres is away, and not found where there is no such account', async () => {
      const look = { accountId: ACCOUNT, keyId: KEY, countedAs: 'read' } as const;
      await expect(auth.inspect(look)).rejects.toMatchObject({ code: 'not_found' });
      accounts.before = away;
      expect(await auth.inspect(look)).toEqual({ outcome: 'cold', retryAfterMs: 1_000 });
    });
  });

  it('refreshes from Postgres, and says if it could not', async () => {
    accounts.put(
      anAccountRecord({ profile: { ...aProfile(), limits: { rpm: 1, tpm: null, concurrency: null } } }),
    );
    expect(await auth.refresh({ accountIds: [ACCOUNT] })).toEqual({});
    await grant();
    expect(await auth.admit(request())).toMatchObject({ outcome: 'denied', reason: 'requests' });
    accounts.before = away;
    await expect(auth.refresh({ accountIds: [ACCOUNT] })).rejects.toMatchObject({
      code: 'service_unavailable',
    });
  });

  it('hands the catalog out', async () => {
    expect((await auth.catalog({ knownVersion: null, version: null })).snapshot?.version).toBe(1);
    expect(await auth.catalog({ knownVersion: 1, version: null })).toEqual({ snapshot: null });
  });

  it('shows what the store holds at every scrape', async () => {
    await heat();
    await grant();
    await settle(await grant());
    clock.advance(1_500);
    const text = await registry.metrics();
    expect(text).toContain('tunan_auth_holds 1');
    expect(text).toContain('tunan_auth_pending_charges 1');
    expect(text).toContain('tunan_auth_outbox_events 1');
    expect(text).toContain('tunan_auth_outbox_age_seconds 1.5');
    expect(text).toContain('tunan_auth_admits_total{outcome="granted",reason=""} 2');
    // A store that can't be asked has no figures: its last ones, or a zero, would read as all being well.
    await store.close();
    const blind = await registry.metrics();
    for (const name of ['holds', 'pending_charges', 'outbox_events', 'outbox_age_seconds'])
      expect(blind).toMatch(new RegExp(`^tunan_auth_${name} NaN$`, 'im'));
  });
});
