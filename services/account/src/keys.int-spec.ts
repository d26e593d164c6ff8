import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { isWellFormedApiKey } from '@tunan/kernel';
import { createTestDatabase, type TestDatabase } from '@tunan/postgres/testing';
import { OperatorRig } from './testing/operator-rig.js';

let database: TestDatabase;
let rig: OperatorRig;

beforeAll(async () => {
  database = await createTestDatabase();
}, 120_000);
afterAll(() => database.drop());
beforeEach(async () => {
  rig = await OperatorRig.start(database.pool);
});
afterEach(() => rig.stop());

describe('keys', () => {
  it('are made with terms of their own, listed oldest first, and bump the profile once each', async () => {
    const { accountId, keyId: first } = await rig.newAccount();
    const before = await rig.profileVersion(accountId);
    const expiresAt = new Date(rig.clock.nowMs() + 60_000).toISOString();
    const terms = {
      name: 'ci',
      capUsd: '2.5',
      models: ['glm-4v', 'embedding-3'],
      aliases: false,
      rpm: 1,
      tpm: 2,
      concurrency: 3,
      expiresAt,
    };
    const made = await rig.post(`/accounts/${accountId}/keys`, terms);
    expect(made.status).toBe(201);
    expect(isWellFormedApiKey(made.body.apiKey)).toBe(true);
    expect(await rig.profileVersion(accountId)).toBe(before + 1n);
    expect(rig.auth.refreshed.at(-1)).toBe(accountId);
    const { keys } = (await rig.get(`/accounts/${accountId}/keys`)).body;
    expect(keys).toMatchObject([
      { keyId: first, name: 'default', status: 'active', models: null, aliases: true, capNano: null },
      {
        keyId: made.body.keyId,
        name: 'ci',
        capNano: '2500000000',
        models: terms.models,
        aliases: false,
        expiresAt,
        limits: { rpm: 1, tpm: 2, concurrency: 3 },
      },
    ]);
    expect(keys[1].hint).toBe(`${made.body.apiKey.slice(0, 7)}…${made.body.apiKey.slice(-4)}`);
  });

  it('and accounts allow or refuse aliases, later too', async () => {
    const { accountId, keyId } = await rig.newAccount();
    const before = await rig.profileVersion(accountId);
    const key = await rig.call('PATCH', `/keys/${keyId}`, { aliases: false });
    expect([key.status, key.body.aliases]).toEqual([200, false]);
    expect((await rig.get(`/accounts/${accountId}/keys`)).body.keys).toEqual([key.body]);
    const account = await rig.call('PATCH', `/accounts/${accountId}`, { aliases: false });
    expect([account.status, account.body.aliases]).toEqual([200, false]);
    expect((await rig.get(`/accounts/${accountId}`)).body).toEqual(account.body);
    expect(await rig.profileVersion(accountId)).toBe(before + 2n);
    expect((await rig.call('PATCH', `/keys/${keyId}`, { aliases: true })).body.aliases).toBe(true);
    for (const path of ['/keys/key_none', '/accounts/acc_none'])
      expect((await rig.call('PATCH', path, { aliases: true })).status).toBe(404);
    for (const body of [{}, { aliases: 'off' }, { aliases: true, rpm: 1 }])
      expect((await rig.call('PATCH', `/keys/${keyId}`, body)).status).toBe(400);
  });

  it('are refused with terms that make no sense', async () => {
    const { accountId } = await rig.newAccount();
    const version = await rig.profileVersion(accountId);
    const refused = async (body: object) => {
      const { status, body: answer } = await rig.post(`/accounts/${accountId}/keys`, body);
      return [status, answer.error.code, answer.error.param];
    };
    expect(await refused({ models: ['glm-4v', 'gpt-5'] })).toEqual([400, 'invalid_value', 'models[1]']);
    expect(await refused({ models: [] })).toEqual([400, 'invalid_value', 'models']);
    expect(await refused({ expiresAt: new Date(rig.clock.nowMs()).toISOString() })).toEqual([
      400,
      'invalid_value',
      'expiresAt',
    ]);
    expect(await refused({ expiresAt: 'tomorrow' })).toEqual([400, 'invalid_value', 'expiresAt']);
    expect(await refused({ capUsd: '-1' })).toEqual([400, 'invalid_value', 'capUsd']);
    expect(await rig.profileVersion(accountId)).toBe(version);
  });

  it('end at a thousand active ones, counted under the lock of the account', async () => {
    const { accountId } = await rig.newAccount();
    await database.pool.query(
      `INSERT INTO api_key (id, account_id, digest_hmac, pepper_version)
       SELECT 'key_' || $1 || n, $1, sha256(($1 || n)::bytea), 7 FROM generate_series(1, 996) n`,
      [accountId],
    );
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => rig.post(`/accounts/${accountId}/keys`)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 201, 400, 400, 400]);
    const { revoked } = await rig.row(
      `UPDATE api_key SET status = 'revoked' WHERE id = 'key_' || $1 || 1 RETURNING id AS revoked`,
      accountId,
    );
    expect(revoked).toBeDefined();
    expect((await rig.post(`/accounts/${accountId}/keys`)).status).toBe(201);
  });

  // Guarantee: revocation is final, repeatable, and says truthfully whether the edges know of it.
  it('are revoked once and for all', async () => {
    const { accountId, keyId } = await rig.newAccount();
    const version = await rig.profileVersion(accountId);
    const first = await rig.post(`/keys/${keyId}/revoke`);
    expect([first.status, first.body]).toEqual([
      200,
      { keyId, accountId, status: 'revoked', revokedAt: expect.any(String), effective: true },
    ]);
    rig.auth.behaviour = 'fails';
    const second = await rig.post(`/keys/${keyId}/revoke`);
    expect([second.status, second.body]).toEqual([200, { ...first.body, effective: false }]);
    expect(await rig.profileVersion(accountId)).toBe(version + 1n);
    expect((await rig.get(`/accounts/${accountId}/keys`)).body.keys[0]).toMatchObject({
      status: 'revoked',
      revokedAt: first.body.revokedAt,
    });
  });

  it('are revoked once by calls at the same time', async () => {
    const { accountId, keyId } = await rig.newAccount();
    const version = await rig.profileVersion(accountId);
    const answers = await Promise.all(Array.from({ length: 8 }, () => rig.post(`/keys/${keyId}/revoke`)));
    expect(new Set(answers.map(({ body }) => body.revokedAt)).size).toBe(1);
    expect(answers.every(({ status, body }) => status === 200 && body.effective)).toBe(true);
    expect((await rig.row(`SELECT status FROM api_key WHERE id = $1`, keyId)).status).toBe('revoked');
    expect(await rig.profileVersion(accountId)).toBeGreaterThan(version);
  });

  it('whose revocation auth does not take within a second are reported as not effective yet', async () => {
    const { keyId } = await rig.newAccount();
    rig.auth.behaviour = 'hangs';
    const asked = rig.auth.refreshed.length;
    const pending = rig.post(`/keys/${keyId}/revoke`);
    await rig.until(() => rig.auth.refreshed.length > asked);
    rig.clock.advance(1_000);
    expect((await pending).body).toMatchObject({ status: 'revoked', effective: false });
  });
});
