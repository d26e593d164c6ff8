import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { readConfig } from '@tunan/config';
import type { AdmitRequest, AuthPort, Hold, UsageEvent } from '@tunan/contracts';
import {
  apiKeyDigest,
  finalEventId,
  generateApiKey,
  keyHmac,
  lostEventId,
  parsePeppers,
  SystemClock,
  uuidv7,
} from '@tunan/kernel';
import { createTestDatabase, type TestDatabase } from '@tunan/postgres/testing';
import { createLogger, Health, type ServiceInstance } from '@tunan/service-kit';
import { Registry } from 'prom-client';
import { authConfig } from './auth.config.js';
import type { AuthContext } from './auth.module.js';
import { auth } from './index.js';
import { aCatalogWire } from './testing/memory-catalog-source.js';
import { away } from './testing/memory-account-source.js';
import { activateCatalog, insertRow } from './testing/postgres-rows.js';

const KEY_PEPPER = `1:${'5a'.repeat(32)}`;
const [PEPPER] = parsePeppers(KEY_PEPPER);
const BALANCE = 1_000_000_000n;
const WAIT_MS = 10_000;

/** Applies each event once, as billing does: in Postgres first, then to the store. */
class FakeBilling {
  before: () => Promise<void> = () => Promise.resolve();
  publishes = true;

  constructor(
    private readonly database: TestDatabase,
    private readonly authPort: () => AuthPort,
  ) {}

  deliver = async ({ events }: { events: UsageEvent[] }): Promise<object> => {
    await this.before();
    for (const event of events) await this.#apply(event);
    return {};
  };

  async #apply({ id, subject, data }: UsageEvent): Promise<void> {
    const { pool } = this.database;
    const { rows } = await pool.query<{ balance: bigint; version: bigint }>(
      `WITH fresh AS (
         INSERT INTO usage_event (event_id, account_id, request_id, kind, cost_nano, catalog_version, event)
         VALUES ($1, $2, $3, $4, $5, $6, '{}') ON CONFLICT DO NOTHING RETURNING cost_nano)
       UPDATE account SET balance_nano = balance_nano - cost_nano, spent_nano = spent_nano + cost_nano,
         request_count = request_count + 1, ledger_version = ledger_version + 1
       FROM fresh WHERE id = $2 RETURNING balance_nano AS balance, ledger_version AS version`,
      [id, subject, data.requestId, data.kind, data.cost, data.catalogVersion],
    );
    const [row] = rows;
    if (row === undefined || !this.publishes) return;
    const ledger = {
      version: Number(row.version),
      balance: row.balance,
      spent: BALANCE - row.balance,
      requests: 1,
      spentByKey: {},
    };
    await this.authPort().publish({
      publications: [{ accountId: subject, ledger, profile: null, appliedEventIds: [id] }],
    });
  }
}

describe('auth', () => {
  let database: TestDatabase;
  let dataDir: string;
  let billing: FakeBilling;
  let instance: ServiceInstance;
  let port: AuthPort;
  let health: Health;
  let metrics: Registry;
  let catalogVersion: number;
  let accountId: string;
  let apiKey: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    catalogVersion = await activateCatalog(database.pool, aCatalogWire());
  });
  afterAll(() => database.drop());

  const context = (variables: Record<string, string> = {}): AuthContext => ({
    config: readConfig(authConfig, {
      KEY_PEPPER,
      AUTH_RELAY_LINGER_MS: '5',
      AUTH_CATALOG_POLL_MS: '100',
      AUTH_SWEEP_INTERVAL_MS: '100',
      AUTH_REPAIR_INTERVAL_MS: '100',
      AUTH_RECONCILE_INTERVAL_MS: '100',
      AUTH_COLD_WAIT_MS: '5000',
      ...variables,
    }),
    mode: 'embedded',
    clock: new SystemClock(),
    logger: createLogger('silent'),
    metrics,
    health,
    dataDir,
    port: () => billing as never,
    stage: () => {
      throw new Error('auth has no stages');
    },
    postgres: () => database.pool,
    simulatorUrl: undefined,
  });
  const start = async (variables: Record<string, string> = {}): Promise<void> => {
    health = new Health();
    metrics = new Registry();
    instance = await auth.start(context(variables));
    port = instance.contracts[0]!.implementation as AuthPort;
    await until(() => health.ready);
  };
  const stop = async (): Promise<void> => {
    await instance.drain(5_000);
    await instance.stop();
  };
  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'tunan-auth-'));
    accountId = `acc_${uuidv7().replaceAll('-', '')}`;
    apiKey = generateApiKey();
    billing = new FakeBilling(database, () => port);
    // As on a database of its own: the store of another test is none of this one's.
    await database.pool.query('TRUNCATE admission_store');
    await insertRow(database.pool, 'account', {
      id: accountId,
      email: `${accountId}@example.com`,
      status: 'active',
      tier: 'paid',
      balance_nano: BALANCE,
    });
    await insertRow(database.pool, 'api_key', {
      id: `key_${accountId}`,
      account_id: accountId,
      digest_hmac: keyHmac(PEPPER, apiKeyDigest(apiKey)),
      pepper_version: 1,
    });
    await start();
  });
  afterEach(async () => {
    await stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
    const deadlineMs = performance.now() + WAIT_MS;
    while (!(await condition())) {
      if (performance.now() > deadlineMs) throw new Error('the condition did not come true');
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const admission = (changes: Partial<AdmitRequest> = {}): AdmitRequest => ({
    requestId: uuidv7(),
    accountId,
    keyId: `key_${accountId}`,
    model: 'some-model',
    operation: 'chat',
    stream: true,
    catalogVersion,
    completions: 1,
    promptLikely: 100,
    promptBound: 1_000,
    ceiling: 100,
    ...changes,
  });
  const grant = async (changes: Partial<AdmitRequest> = {}): Promise<Hold> => {
    const reply = await port.admit(admission(changes));
    if (reply.outcome !== 'granted') throw new Error(JSON.stringify(reply.outcome));
    return reply.hold;
  };
  const settle = (hold: Hold) =>
    port.settle({
      hold,
      outcome: 'completed',
      usage: { prompt: 100, cachedPrompt: 0, completion: 50, reasoning: 0 },
      deliveredTokens: 50,
      served: null,
      traceparent: null,
    });
  const inspect = async () => {
    const reply = await port.inspect({ accountId, keyId: `key_${accountId}`, countedAs: 'nothing' });
    if (reply.outcome !== 'known') throw new Error('cold');
    return reply;
  };
  const balance = async (): Promise<bigint> => {
    const { rows } = await database.pool.query<{ balance_nano: bigint }>(
      'SELECT balance_nano FROM account WHERE id = $1',
      [accountId],
    );
    return rows[0]!.balance_nano;
  };
  const figure = async (name: string): Promise<number> => {
    const line = (await metrics.metrics()).split('\n').find((each) => each.startsWith(`${name} `));
    return Number(line?.split(' ')[1]);
  };

  // Guarantee: from the key to the ledger, a request is admitted, charged once, and the store ends up with the truth.
  it('takes a request from its key to the ledger', async () => {
    const { principal } = await port.identify({ keyDigest: apiKeyDigest(apiKey) });
    expect(principal).toEqual({
      accountId,
      keyId: `key_${accountId}`,
      tier: 'paid',
      models: null,
      aliases: true,
    });
    const hold = await grant();
    const { cost } = await settle(hold);
    expect(cost).toBe(200_000n);
    expect((await inspect()).left).toBe(BALANCE - cost);
    await until(async () => (await figure('tunan_auth_pending_charges')) === 0);
    expect(await balance()).toBe(BALANCE - cost);
    expect(await inspect()).toMatchObject({ left: BALANCE - cost, spent: cost });
    expect(await settle(hold)).toMatchObject({ cost });
    expect((await port.catalog({ knownVersion: null, version: null })).snapshot?.version).toBe(
      catalogVersion,
    );
  });

  it('publishes what an account service changed', async () => {
    await grant();
    await database.pool.query(
      `UPDATE account SET status = 'suspended', profile_version = profile_version + 1 WHERE id = $1`,
      [accountId],
    );
    await port.refresh({ accountIds: [accountId] });
    expect(await port.admit(admission())).toMatchObject({ outcome: 'denied', reason: 'account_suspended' });
    const { rows } = await database.pool.query(
      'SELECT profile_version = published_profile_version AS published FROM account WHERE id = $1',
      [accountId],
    );
    expect(rows).toEqual([{ published: true }]);
  });

  // Guarantee: billing being away costs nothing but time, and a restart in between loses nothing.
  it('keeps settlements over a restart while billing is away', async () => {
    billing.before = away;
    const hold = await grant();
    await settle(hold);
    await stop();
    await start();
    expect(await figure('tunan_auth_outbox_events')).toBe(1);
    expect((await inspect()).left).toBe(BALANCE - 200_000n);
    billing.before = () => Promise.resolve();
    await until(async () => (await figure('tunan_auth_outbox_events')) === 0);
    expect(await balance()).toBe(BALANCE - 200_000n);
    expect((await inspect()).left).toBe(BALANCE - 200_000n);
  });

  // Guarantee: credit under running requests is not sold again because the store's disk was lost.
  it('grants nothing on a new file in place of another, until running requests were renewed', async () => {
    const hold = await grant();
    await stop();
    rmSync(dataDir, { recursive: true });
    mkdirSync(dataDir);
    await start();
    await port.renew({ hold, deliveredTokens: 1 });
    const reply = await port.admit(admission());
    if (reply.outcome !== 'cold') throw new Error(reply.outcome);
    expect(reply.retryAfterMs).toBeGreaterThan(1_000);
    expect(reply.retryAfterMs).toBeLessThanOrEqual(20_000);
    await stop();
    // A restart does not pass for a first start.
    await start();
    expect(await port.admit(admission())).toMatchObject({ outcome: 'cold' });
  });

  it('repairs a publication that was lost', async () => {
    await stop();
    await start({ AUTH_PENDING_STALE_MS: '1000' });
    billing.publishes = false;
    await settle(await grant());
    await until(async () => (await figure('tunan_auth_outbox_events')) === 0);
    expect(await figure('tunan_auth_pending_charges')).toBe(1);
    await until(async () => (await figure('tunan_auth_pending_charges')) === 0);
    expect(await inspect()).toMatchObject({ left: BALANCE - 200_000n, spent: 200_000n });
  });

  it('settles what a dead gateway left behind', async () => {
    await stop();
    await start({ AUTH_LEASE_MS: '1000' });
    const hold = await grant();
    await port.renew({ hold, deliveredTokens: 30 });
    await until(async () => (await balance()) === BALANCE - 160_000n);
    expect(await port.renew({ hold, deliveredTokens: 31 })).toEqual({ outcome: 'settled' });
    const { rows } = await database.pool.query('SELECT event_id FROM usage_event WHERE account_id = $1', [
      accountId,
    ]);
    expect(rows).toEqual([{ event_id: lostEventId(hold.requestId) }]);
    // The gateway was alive after all: what it knows takes the place of the estimate.
    expect(await settle(hold)).toMatchObject({ cost: 200_000n, flags: [] });
    await until(async () => (await figure('tunan_auth_outbox_events')) === 0);
    const { rows: both } = await database.pool.query('SELECT 1 FROM usage_event WHERE event_id = $1', [
      finalEventId(hold.requestId),
    ]);
    expect(both).toHaveLength(1);
  });

  it('follows the catalog, and its tiers for accounts that are hot', async () => {
    await grant();
    const tight = { rpm: 1, tpm: 500_000, concurrency: 10 };
    await activateCatalog(database.pool, aCatalogWire({ tiers: { free: tight, paid: tight } }));
    try {
      await until(async () => (await inspect()).profile.limits.rpm === 1);
      expect(await port.admit(admission())).toMatchObject({ outcome: 'denied', reason: 'requests' });
    } finally {
      catalogVersion = await activateCatalog(database.pool, aCatalogWire());
    }
  });

  // Guarantee: a balance that changed without a version, or an event that was delivered and is gone, is seen by a metric.
  it('reconciles the store with Postgres', async () => {
    const differences = (check: string) => figure(`tunan_auth_reconciliation_differences{check="${check}"}`);
    await settle(await grant());
    await until(async () => (await figure('tunan_auth_pending_charges')) === 0);
    for (const check of ['balances', 'events', 'holds'])
      await until(async () => (await differences(check)) === 0);
    const drift = (nano: number) =>
      database.pool.query('UPDATE account SET balance_nano = balance_nano + $2 WHERE id = $1', [
        accountId,
        nano,
      ]);
    await drift(1);
    await until(async () => (await differences('balances')) === 1);
    await drift(-1);
    await until(async () => (await differences('balances')) === 0);
    await stop();
    await start({ AUTH_PENDING_STALE_MS: '1000', AUTH_HOLD_AGE_MAX_MS: '1000' });
    // Billing says that it has the event, and has not.
    billing.deliver = () => Promise.resolve({});
    await settle(await grant());
    await grant();
    await until(async () => (await differences('events')) === 1);
    await until(async () => (await differences('holds')) === 1);
  }, 30_000);

  it('refuses a data folder that another auth uses', async () => {
    const second = auth.start({ ...context(), metrics: new Registry(), health: new Health() });
    await expect(second).rejects.toThrow('another process uses the admission store');
  });

  it('names what it waits for', () => {
    expect(health.dependencies.map(({ name, up }) => ({ name, up }))).toEqual([
      { name: 'catalog', up: true },
      { name: 'postgres', up: true },
    ]);
  });
});
