import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { catalog } from '@tunan/contracts';
import { apiKeyDigest, isWellFormedApiKey, keyHmac, parsePeppers } from '@tunan/kernel';
import { createTestDatabase, type TestDatabase } from '@tunan/postgres/testing';
import { KEY_PEPPER, OperatorRig } from './testing/operator-rig.js';

const [PEPPER] = parsePeppers(KEY_PEPPER);
const GRANT = 500_000_000n;

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

describe('catalog', () => {
  // Guarantee: the first start sells what the file says; no later start changes what is sold.
  it('is seeded once as version 1, active, complete, and never overwritten', async () => {
    const stored = await rig.row(
      'SELECT version, body FROM catalog_active JOIN catalog_snapshot USING (version)',
    );
    expect(stored.version).toBe(1n);
    expect(catalog.parse(stored.body).models).toHaveLength(17);
    expect(rig.health.ready).toBe(true);
    await database.pool.query(
      `WITH another AS (INSERT INTO catalog_snapshot (body, note) SELECT body, 'by hand' FROM catalog_snapshot RETURNING version)
       UPDATE catalog_active SET version = (SELECT version FROM another)`,
    );
    const again = await OperatorRig.start(database.pool);
    await again.stop();
    const { count, note } = await rig.row(
      `SELECT (SELECT count(*) FROM catalog_snapshot) AS count, note FROM catalog_active JOIN catalog_snapshot USING (version)`,
    );
    expect([count, note]).toEqual([2n, 'by hand']);
  });

  it('is seeded once by processes that start together', async () => {
    const empty = await createTestDatabase();
    try {
      const rigs = await Promise.all([1, 2, 3, 4].map(() => OperatorRig.start(empty.pool)));
      await Promise.all(rigs.map((one) => one.stop()));
      const { rows } = await empty.pool.query(
        'SELECT s.version, a.version AS active FROM catalog_snapshot s, catalog_active a',
      );
      expect(rows).toEqual([{ version: 1n, active: 1n }]);
    } finally {
      await empty.drop();
    }
  });
});

describe('POST /accounts', () => {
  it('makes an account with the sign-up grant and a key that works under the current pepper', async () => {
    const email = rig.newEmail();
    const { status, body } = await rig.post('/accounts', { email: ` ${email.toUpperCase()} ` });
    expect(status).toBe(201);
    expect(Object.keys(body).sort()).toEqual(['accountId', 'apiKey', 'keyId', 'opened']);
    expect(body.accountId).toMatch(/^acc_[0-9a-f]{32}$/);
    expect(body.keyId).toMatch(/^key_[0-9a-f]{32}$/);
    expect([isWellFormedApiKey(body.apiKey), body.opened]).toEqual([true, true]);

    const key = await rig.row('SELECT * FROM api_key WHERE id = $1', body.keyId);
    expect(key.digest_hmac.equals(keyHmac(PEPPER, apiKeyDigest(body.apiKey)))).toBe(true);
    expect([key.account_id, key.pepper_version, key.status]).toEqual([body.accountId, 7, 'active']);
    expect(rig.billing.entriesOf.get(body.accountId)).toMatchObject([
      { eventId: `grant:${body.accountId}`, kind: 'grant', amount: GRANT },
    ]);
    expect(rig.auth.refreshed).toEqual([body.accountId]);

    const shown = (await rig.get(`/accounts/${body.accountId}`)).body;
    expect(shown).toMatchObject({
      email,
      displayName: email.split('@')[0],
      status: 'active',
      tier: 'free',
      opened: true,
    });
    expect(shown).toMatchObject({
      openingCreditNano: '500000000',
      limits: { rpm: null, tpm: null, concurrency: null },
    });
    expect((await rig.get(`/accounts?email=${encodeURIComponent(email.toUpperCase())}`)).body).toEqual(shown);
  });

  // Guarantee: whoever reads the database can't use a key: it is in no column of any row.
  it('keeps the key itself nowhere', async () => {
    const { apiKey, accountId } = await rig.newAccount();
    const { rows } = await database.pool.query(
      'SELECT a.*, k.*, encode(k.digest_hmac, $2) AS hex FROM account a JOIN api_key k ON k.account_id = a.id WHERE a.id = $1',
      [accountId, 'hex'],
    );
    const stored = JSON.stringify(rows, (_name, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    expect(stored).not.toContain(apiKey.slice(8, -4));
    expect(stored).not.toContain(apiKeyDigest(apiKey));
  });

  it('takes exact credit, limits and a name', async () => {
    const { accountId } = await rig.newAccount({
      creditUsd: '0.000000001',
      rpm: 7,
      tpm: 8,
      concurrency: 9,
      displayName: ' Ada  ',
    });
    expect(rig.billing.balance(accountId)).toBe(1n);
    const shown = (await rig.get(`/accounts/${accountId}`)).body;
    expect(shown).toMatchObject({
      displayName: 'Ada',
      limits: { rpm: 7, tpm: 8, concurrency: 9 },
      openingCreditNano: '1',
    });
  });

  it('posts nothing for a credit of 0', async () => {
    const { accountId, opened } = await rig.newAccount({ creditUsd: '0' });
    expect(opened).toBe(true);
    expect(rig.billing.entriesOf.has(accountId)).toBe(false);
    expect((await rig.get(`/accounts/${accountId}`)).body.opened).toBe(true);
  });

  // Guarantee: one address, one account, one grant, however often and however fast somebody asks.
  it('makes one account of ten calls at once, and names it to the others', async () => {
    const email = rig.newEmail();
    const answers = await Promise.all(Array.from({ length: 10 }, () => rig.post('/accounts', { email })));
    const made = answers.filter(({ status }) => status === 201);
    const refused = answers.filter(({ status }) => status === 409);
    expect([made.length, refused.length]).toEqual([1, 9]);
    const { accountId } = made[0]!.body;
    for (const { body } of refused)
      expect(body.error).toMatchObject({ code: 'answer_not_stored', param: 'email' });
    expect(refused.every(({ body }) => body.error.message.includes(accountId))).toBe(true);
    expect(
      (await rig.row('SELECT count(*) AS keys FROM api_key WHERE account_id = $1', accountId)).keys,
    ).toBe(1n);
    expect(rig.billing.entriesOf.size).toBe(1);
  });

  it.each([
    ['no e-mail address', {}, 'missing_required_parameter', 'email'],
    ['an address without a domain', { email: 'ada' }, 'invalid_value', 'email'],
    ['an address with a line break', { email: 'ada@example.com\r\nx: y' }, 'invalid_value', 'email'],
    ['a negative credit', { email: 'a@example.com', creditUsd: '-1' }, 'invalid_value', 'creditUsd'],
    [
      'a credit with ten places',
      { email: 'a@example.com', creditUsd: '0.0000000001' },
      'invalid_value',
      'creditUsd',
    ],
    ['a credit that is a number', { email: 'a@example.com', creditUsd: 5 }, 'invalid_value', 'creditUsd'],
    [
      'a credit beyond the bound',
      { email: 'a@example.com', creditUsd: '1000000.1' },
      'invalid_value',
      'creditUsd',
    ],
    ['a limit of 0', { email: 'a@example.com', rpm: 0 }, 'invalid_value', 'rpm'],
    ['a limit that is text', { email: 'a@example.com', tpm: '5' }, 'invalid_value', 'tpm'],
    ['a limit with a fraction', { email: 'a@example.com', concurrency: 1.5 }, 'invalid_value', 'concurrency'],
    ['a limit that no column holds', { email: 'a@example.com', tpm: 2 ** 31 }, 'invalid_value', 'tpm'],
    ['a name with NUL', { email: 'a@example.com', displayName: 'a\0b' }, 'invalid_value', 'displayName'],
    ['an unknown member', { email: 'a@example.com', role: 'admin' }, 'unsupported_parameter', 'role'],
  ])('refuses %s and stores nothing', async (_name, body, code, param) => {
    const before = (await rig.row('SELECT count(*) AS accounts FROM account')).accounts;
    const answer = await rig.post('/accounts', body);
    expect([answer.status, answer.body.error.code, answer.body.error.param]).toEqual([400, code, param]);
    expect((await rig.row('SELECT count(*) AS accounts FROM account')).accounts).toBe(before);
  });

  // Guarantee: an outage of billing costs neither the key, which can't be shown again, nor the credit, nor doubles it.
  it.each(['fails', 'hangs'] as const)(
    'delivers the key where billing %s, and the credit later',
    async (behaviour) => {
      rig.billing.behaviour = behaviour;
      const pending = rig.newAccount({ creditUsd: '3' });
      await rig.until(() => rig.billing.attempts > 0);
      rig.clock.advance(5_000);
      const { accountId, opened } = await pending;
      expect(opened).toBe(false);
      expect((await rig.get(`/accounts/${accountId}`)).body.opened).toBe(false);
      rig.billing.behaviour = 'works';
      await rig.until(async () => (await rig.get(`/accounts/${accountId}`)).body.opened, 1_000);
      expect(rig.billing.entriesOf.get(accountId)).toMatchObject([
        { eventId: `grant:${accountId}`, amount: 3_000_000_000n },
      ]);
    },
  );

  it.each(['fails', 'hangs'] as const)('succeeds where auth %s', async (behaviour) => {
    rig.auth.behaviour = behaviour;
    const pending = rig.newAccount();
    await rig.until(() => rig.auth.refreshed.length > 0);
    rig.clock.advance(1_000);
    expect((await pending).opened).toBe(true);
  });
});

describe('the operator API', () => {
  it.each([
    ['GET', '/accounts/acc_none'],
    ['GET', '/accounts/%00'],
    ['GET', '/accounts/acc_none/keys'],
    ['GET', '/accounts/acc_none/ledger'],
    ['GET', '/accounts?email=nobody@example.com'],
    ['POST', '/keys/key_none/revoke'],
    ['POST', '/accounts/acc_none/keys'],
    ['GET', '/no-such-path'],
  ] as const)('answers %s %s with 404 and the error object', async (method, path) => {
    const { status, body, headers } = await rig.call(method, path, method === 'POST' ? {} : undefined);
    expect([status, body.error.code, Object.keys(body.error).sort()]).toEqual([
      404,
      'not_found',
      ['code', 'message', 'param', 'type'],
    ]);
    expect(headers.get('x-request-id')).not.toBeNull();
  });

  it('answers a credit for nobody with 404', async () => {
    const answer = await rig.post('/accounts/acc_none/credits', {
      amountUsd: '1',
      kind: 'topup',
      reference: 'nobody',
    });
    expect(answer.status).toBe(404);
    expect(rig.billing.entriesOf.size).toBe(0);
  });

  it('is closed without the operator token', async () => {
    for (const token of [null, 'wrong']) {
      for (const [method, path] of [
        ['GET', '/accounts/acc_1'],
        ['POST', '/accounts'],
        ['POST', '/keys/key_1/revoke'],
      ] as const) {
        const answer = await rig.call(
          method,
          path,
          method === 'POST' ? { email: 'a@example.com' } : undefined,
          token,
        );
        expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
      }
    }
  });

  it('says "retry" and not "no such account" where the database is away', async () => {
    const gone = await createTestDatabase();
    const lonely = await OperatorRig.start(gone.pool);
    await gone.drop();
    const read = await lonely.get('/accounts/acc_1');
    const written = await lonely.post('/accounts', { email: rig.newEmail(), creditUsd: '1' });
    expect([read.status, read.body.error.code, read.headers.get('retry-after')]).toEqual([
      503,
      'service_unavailable',
      '1',
    ]);
    expect([written.status, written.body.error.code]).toEqual([503, 'service_unavailable']);
    await lonely.stop();
  });
});
