import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createPool } from '@tunan/postgres';
import { createTestDatabase, type TestDatabase } from '@tunan/postgres/testing';
import { aCatalogWire } from '../testing/memory-catalog-source.js';
import { activateCatalog, insertRow } from '../testing/postgres-rows.js';
import type { PendingEvent } from '../domain/operations.js';
import { PostgresAccountSource } from './postgres-account-source.js';
import { PostgresCatalogSource } from './postgres-catalog-source.js';
import { PostgresKeyLookup } from './postgres-key-lookup.js';

const hmac = (byte: number): Buffer => Buffer.alloc(32, byte);

describe('the sources in Postgres', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());
  beforeEach(() =>
    database.pool.query('TRUNCATE usage_event, api_key, account, catalog_active, catalog_snapshot CASCADE'),
  );

  const account = (id: string, changes: Record<string, unknown> = {}) =>
    insertRow(database.pool, 'account', { id, email: `${id}@example.com`, status: 'active', ...changes });
  const key = (id: string, accountId: string, changes: Record<string, unknown> = {}) =>
    insertRow(database.pool, 'api_key', {
      id,
      account_id: accountId,
      digest_hmac: hmac(id.charCodeAt(id.length - 1)),
      pepper_version: 1,
      ...changes,
    });
  const usage = (eventId: string, accountId: string) =>
    insertRow(database.pool, 'usage_event', {
      event_id: eventId,
      account_id: accountId,
      request_id: eventId,
      kind: 'final',
      cost_nano: 1,
      catalog_version: 1,
      event: '{}',
    });

  describe('PostgresAccountSource', () => {
    const read = (accountIds: string[], events: PendingEvent[] = []) =>
      new PostgresAccountSource(database.pool).read(accountIds, events);

    it('reads ledger state, profile and keys, exactly', async () => {
      const expiresAt = new Date('2030-01-02T03:04:05.678Z');
      await account('acc_1', {
        display_name: 'One',
        tier: 'paid',
        rpm: 7,
        aliases: false,
        balance_nano: '9007199254740993',
        spent_nano: '9007199254740995',
        request_count: 12,
        ledger_version: 34,
        profile_version: 56,
      });
      await key('key_a', 'acc_1', {
        name: 'first',
        models: '["some-model"]',
        cap_nano: '9007199254740997',
        spent_nano: '9007199254740999',
        rpm: 1,
        tpm: 2,
        concurrency: 3,
        expires_at: expiresAt,
      });
      await key('key_b', 'acc_1');
      await key('key_c', 'acc_1', { status: 'revoked', revoked_at: new Date() });
      const [record, ...others] = await read(['acc_1', 'acc_nobody']);
      expect(others).toEqual([]);
      expect(record).toMatchObject({
        accountId: 'acc_1',
        ledger: {
          version: 34,
          balance: 9_007_199_254_740_993n,
          spent: 9_007_199_254_740_995n,
          requests: 12,
          spentByKey: { key_a: 9_007_199_254_740_999n, key_b: 0n },
        },
        profile: {
          version: 56,
          status: 'active',
          email: 'acc_1@example.com',
          displayName: 'One',
          tier: 'paid',
          limits: { rpm: 7, tpm: null, concurrency: null },
          aliases: false,
        },
        appliedEventIds: [],
      });
      const keys = new Map(record!.profile.keys.map((each) => [each.keyId, each]));
      expect([...keys.keys()].sort()).toEqual(['key_a', 'key_b']);
      expect(keys.get('key_a')).toEqual({
        keyId: 'key_a',
        name: 'first',
        status: 'active',
        expiresAtMs: expiresAt.getTime(),
        models: ['some-model'],
        cap: 9_007_199_254_740_997n,
        limits: { rpm: 1, tpm: 2, concurrency: 3 },
      });
      expect(keys.get('key_b')).toMatchObject({
        models: null,
        cap: null,
        expiresAtMs: null,
        limits: { rpm: null },
      });
    });

    it('tells which of the events each account contains, and of no other account', async () => {
      await account('acc_1');
      await account('acc_2');
      await usage('one:final', 'acc_1');
      await usage('two:lost', 'acc_1');
      await usage('three:final', 'acc_2');
      const ask = (accountId: string, ...ids: string[]) => ids.map((eventId) => ({ accountId, eventId }));
      const records = await read(
        ['acc_1', 'acc_2'],
        [
          ...ask('acc_1', 'one:final', 'two:final', 'three:final'),
          ...ask('acc_2', 'one:final', 'three:final'),
        ],
      );
      const applied = Object.fromEntries(records.map((record) => [record.accountId, record.appliedEventIds]));
      expect(applied).toEqual({ acc_1: ['one:final'], acc_2: ['three:final'] });
    });

    it('records what was confirmed, never backwards', async () => {
      await account('acc_1', { ledger_version: 9, profile_version: 9 });
      const source = new PostgresAccountSource(database.pool);
      await source.confirm([{ accountId: 'acc_1', ledger: 5, profile: 6 }]);
      await source.confirm([{ accountId: 'acc_1', ledger: 4, profile: 7 }]);
      await source.confirm([]);
      const { rows } = await database.pool.query(
        'SELECT published_ledger_version AS l, published_profile_version AS p FROM account',
      );
      expect(rows).toEqual([{ l: 5n, p: 7n }]);
    });
  });

  describe('PostgresKeyLookup', () => {
    const findAll = (...keys: Buffer[][]) => new PostgresKeyLookup(database.pool).find(keys);
    const find = async (...hmacs: Buffer[]) => (await findAll(hmacs))[0];

    it('finds the principal of an active key by any of its hashes', async () => {
      await account('acc_1', { tier: 'paid', aliases: false });
      await key('key_a', 'acc_1', { digest_hmac: hmac(7), models: '["a","b"]' });
      const principal = {
        accountId: 'acc_1',
        keyId: 'key_a',
        tier: 'paid',
        models: ['a', 'b'],
        aliases: false,
      };
      expect(await find(hmac(7))).toEqual(principal);
      expect(await find(hmac(1), hmac(7))).toEqual(principal);
      expect(await find(hmac(1))).toBeNull();
    });

    it('knows how many requests an account may have at once, if that is its own', async () => {
      await account('acc_1', { concurrency: 77 });
      await key('key_a', 'acc_1', { digest_hmac: hmac(7) });
      expect(await find(hmac(7))).toMatchObject({ accountId: 'acc_1', concurrency: 77 });
    });

    it.each([
      [true, true, true],
      [true, false, false],
      [false, true, false],
    ])('allows aliases if account (%s) and key (%s) both do: %s', async (ofAccount, ofKey, allowed) => {
      await account('acc_1', { aliases: ofAccount });
      await key('key_a', 'acc_1', { digest_hmac: hmac(7), aliases: ofKey });
      expect(await find(hmac(7))).toMatchObject({ aliases: allowed });
    });

    it('finds several keys at once, each in its place', async () => {
      await account('acc_1');
      await key('key_a', 'acc_1', { digest_hmac: hmac(1) });
      await key('key_b', 'acc_1', { digest_hmac: hmac(2) });
      const found = await findAll([hmac(9), hmac(2)], [hmac(3), hmac(4)], [hmac(1), hmac(8)], [hmac(2)]);
      expect(found.map((principal) => principal?.keyId ?? null)).toEqual(['key_b', null, 'key_a', 'key_b']);
      expect(await findAll()).toEqual([]);
    });

    it('does not find revoked and expired keys', async () => {
      await account('acc_1');
      await key('key_a', 'acc_1', { digest_hmac: hmac(1), status: 'revoked' });
      await key('key_b', 'acc_1', { digest_hmac: hmac(2), expires_at: new Date(Date.now() - 1_000) });
      await key('key_c', 'acc_1', { digest_hmac: hmac(3), expires_at: new Date(Date.now() + 60_000) });
      expect(await find(hmac(1))).toBeNull();
      expect(await find(hmac(2))).toBeNull();
      expect(await find(hmac(3))).toMatchObject({ keyId: 'key_c' });
    });
  });

  describe('PostgresCatalogSource', () => {
    it('reads the active snapshot, and only what is not known', async () => {
      const source = new PostgresCatalogSource(database.pool);
      expect(await source.active(null)).toBeNull();
      const version = await activateCatalog(database.pool, aCatalogWire());
      expect(await source.active(null)).toMatchObject({ version, catalog: { tiers: { free: { rpm: 60 } } } });
      expect(await source.active(version)).toBe('unchanged');
      const next = await activateCatalog(database.pool, aCatalogWire({ signupGrant: '1.00' }));
      expect(await source.active(version)).toMatchObject({
        version: next,
        catalog: { signupGrant: 1_000_000_000n },
      });
      expect(await source.byVersion(version)).toMatchObject({
        version,
        catalog: { signupGrant: 500_000_000n },
      });
      expect(await source.byVersion(next + 1)).toBeNull();
    });

    it('fails for a snapshot that this version can not read', async () => {
      await activateCatalog(database.pool, { models: 'none' } as never);
      await expect(new PostgresCatalogSource(database.pool).active(null)).rejects.toMatchObject({
        code: 'internal_error',
      });
    });
  });

  // Guarantee: Postgres being away is a Fault that says so, never an empty answer.
  it('fail with service_unavailable while Postgres is away', async () => {
    const pool = createPool({
      url: 'postgres://nobody@127.0.0.1:1/none',
      applicationName: 'test',
      connectTimeoutMs: 500,
    });
    const unavailable = { code: 'service_unavailable' };
    await expect(new PostgresKeyLookup(pool).find([[hmac(1)]])).rejects.toMatchObject(unavailable);
    await expect(new PostgresAccountSource(pool).read(['acc_1'], [])).rejects.toMatchObject(unavailable);
    await expect(new PostgresCatalogSource(pool).active(null)).rejects.toMatchObject(unavailable);
    await pool.end();
  });
});
