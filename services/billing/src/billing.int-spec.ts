import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { readConfig } from '@tunan/config';
import type { BillingPort, LedgerEntry, UsageEvent } from '@tunan/contracts';
import { SystemClock, uuidv7 } from '@tunan/kernel';
import { createPool, markPublished, migrate } from '@tunan/postgres';
import { createTestDatabase, startTestPostgres, type TestDatabase } from '@tunan/postgres/testing';
import { createLogger, Health, type ServiceInstance } from '@tunan/service-kit';
import type { Pool } from 'pg';
import { Registry } from 'prom-client';
import { billingConfig } from './billing.config.js';
import type { BillingContext } from './billing.module.js';
import { billing } from './index.js';
import { FakeAuth } from './testing/fake-auth.js';
import { insertAccount } from './testing/postgres-rows.js';
import { usageEventOf } from './testing/usage-events.js';

const QUICK = {
  BILLING_REPAIR_INTERVAL_MS: '100',
  BILLING_REPAIR_BACK_OFF_MAX_MS: '1000',
  BILLING_CONFIRM_INTERVAL_MS: '10',
  BILLING_RECONCILE_INTERVAL_MS: '100',
};

interface Running {
  readonly service: BillingPort;
  readonly instance: ServiceInstance;
  readonly health: Health;
  readonly metrics: Registry;
}

const startBilling = async (pool: Pool, auth: FakeAuth): Promise<Running> => {
  const [health, metrics] = [new Health(), new Registry()];
  const context = {
    config: readConfig(billingConfig, QUICK),
    mode: 'production',
    clock: new SystemClock(),
    logger: createLogger('silent'),
    metrics,
    health,
    dataDir: '',
    port: () => auth,
    stage: () => {
      throw new Error('billing has no stages');
    },
    postgres: () => pool,
    simulatorUrl: undefined,
  } as unknown as BillingContext;
  const instance = await billing.start(context);
  return { service: instance.contracts[0]!.implementation as BillingPort, instance, health, metrics };
};

const eventually = async (condition: () => Promise<boolean> | boolean): Promise<void> => {
  const deadlineMs = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error('did not happen within ten seconds');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n);

describe('billing, on Postgres', () => {
  let database: TestDatabase;
  let auth: FakeAuth;
  let running: Running;
  let service: BillingPort;

  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  beforeEach(async () => {
    auth = new FakeAuth();
    auth.onRefresh = async (accountIds) => {
      const rows = await query<{ id: string; ledger: bigint; profile: bigint }>(
        'SELECT id, ledger_version AS ledger, profile_version AS profile FROM account WHERE id = ANY($1)',
        [accountIds],
      );
      const marks = rows.map(({ id, ledger, profile }) => ({
        accountId: id,
        ledger: Number(ledger),
        profile: Number(profile),
      }));
      await markPublished(database.pool, marks);
    };
    running = await startBilling(database.pool, auth);
    service = running.service;
  });
  afterEach(async () => {
    await running.instance.drain(1_000);
    await running.instance.stop();
  });

  const query = async <Row extends object>(sql: string, values: unknown[] = []): Promise<Row[]> =>
    (await database.pool.query<Row>(sql, values)).rows;

  const newAccount = async (
    credit = 0n,
    keys: readonly { keyId: string; capped: boolean }[] = [],
  ): Promise<string> => {
    const accountId = `acc_${uuidv7()}`;
    await insertAccount(database.pool, accountId, keys);
    if (credit > 0n)
      await service.post({ eventId: `credit-${accountId}`, accountId, kind: 'topup', amount: credit });
    return accountId;
  };

  interface AccountRow {
    readonly balance_nano: bigint;
    readonly spent_nano: bigint;
    readonly request_count: bigint;
    readonly ledger_version: bigint;
    readonly published_ledger_version: bigint;
  }
  const row = async (accountId: string): Promise<AccountRow> =>
    (await query<AccountRow>('SELECT * FROM account WHERE id = $1', [accountId]))[0]!;
  const allEntries = async (accountId: string): Promise<readonly LedgerEntry[]> =>
    (await service.entries({ accountId, after: null, limit: 10_000 })).entries;

  it('applies a delivery and publishes what the books say', async () => {
    const keyId = `key_${uuidv7()}`;
    const accountId = await newAccount(10_000n, [{ keyId, capped: true }]);
    const events = [
      usageEventOf({ accountId, keyId, cost: 300n }),
      usageEventOf({ accountId, keyId, cost: 0n }),
    ];
    await service.deliver({ events });

    expect(await row(accountId)).toMatchObject({
      balance_nano: 9_700n,
      spent_nano: 300n,
      request_count: 2n,
      ledger_version: 3n,
    });
    expect(await query('SELECT spent_nano FROM api_key WHERE id = $1', [keyId])).toEqual([
      { spent_nano: 300n },
    ]);
    const stored = await query<{ event_id: string; event: { data: object } }>(
      'SELECT event_id, event FROM usage_event WHERE account_id = $1 ORDER BY event_id',
      [accountId],
    );
    expect(stored.map(({ event_id }) => event_id)).toEqual(events.map(({ id }) => id).sort());
    expect(stored.find(({ event_id }) => event_id === events[0]!.id)!.event.data).toMatchObject({
      cost: '300',
      price: { output: '400000000' },
    });
    expect(auth.ledgers.get(accountId)).toEqual({
      version: 3,
      balance: 9_700n,
      spent: 300n,
      requests: 2,
      spentByKey: { [keyId]: 300n },
    });
    await eventually(async () => (await row(accountId)).published_ledger_version === 3n);
  });

  // Guarantee: of two figures for one request whichever comes first stands, and both who ask are told that one.
  it('books the first of two events of a request, also when they come at the same time', async () => {
    const accountId = await newAccount(10_000n);
    const requestId = uuidv7();
    const figures = [300n, 200n].map((cost) => usageEventOf({ accountId, requestId, cost }));
    const replies = await Promise.all(figures.map((event) => service.book({ event })));
    const costs = replies.map(({ event }) => event?.data.cost);
    expect(costs[0]).toBe(costs[1]);
    expect(await row(accountId)).toMatchObject({ balance_nano: 10_000n - costs[0]!, request_count: 1n });
    expect(await query('SELECT 1 FROM usage_dead_letter WHERE account_id = $1', [accountId])).toEqual([]);
  });

  // Guarantee: each event once, every account's books whole, whatever is delivered twice at the same time.
  it('applies overlapping deliveries in parallel, each event once', async () => {
    const accountIds = await Promise.all(Array.from({ length: 5 }, () => newAccount(1_000_000n)));
    const events: UsageEvent[] = Array.from({ length: 300 }, (_, index) =>
      usageEventOf({ accountId: accountIds[index % 5]!, cost: BigInt(index + 1) }),
    );
    const slices = Array.from({ length: 12 }, (_, index) => {
      const slice = events.slice(index * 20, index * 20 + 80);
      return index % 2 === 0 ? slice : slice.reverse();
    });
    await Promise.all([...slices, events].map((slice) => service.deliver({ events: slice })));

    for (const accountId of accountIds) {
      const costs = events.filter(({ subject }) => subject === accountId).map(({ data }) => data.cost);
      const account = await row(accountId);
      expect(account).toMatchObject({
        spent_nano: sum(costs),
        balance_nano: 1_000_000n - sum(costs),
        request_count: 60n,
      });
      expect(sum((await allEntries(accountId)).map(({ amount }) => amount))).toBe(account.balance_nano);
      expect(auth.ledgers.get(accountId)).toMatchObject({
        version: Number(account.ledger_version),
        balance: account.balance_nano,
      });
    }
    for (const { id } of events) expect(auth.appliedEventIds.has(id)).toBe(true);

    const before = await Promise.all(accountIds.map(row));
    await service.deliver({ events });
    const after = await Promise.all(accountIds.map(row));
    expect(after.map(({ ledger_version }) => ledger_version)).toEqual(
      before.map(({ ledger_version }) => ledger_version),
    );
  });

  it('converges to final, in whichever order and however parallel the two events of a request come', async () => {
    const accountId = await newAccount(1_000_000n);
    const requests = Array.from({ length: 40 }, (_, index) => ({
      requestId: uuidv7(),
      lost: BigInt(index * 7 + 1),
      final: BigInt(index * 5),
    }));
    const lost = requests.map((each) =>
      usageEventOf({ accountId, requestId: each.requestId, kind: 'lost', cost: each.lost }),
    );
    const final = requests.map((each) =>
      usageEventOf({ accountId, requestId: each.requestId, cost: each.final }),
    );
    const half = [...lost.slice(0, 20), ...final.slice(20)];
    const otherHalf = [...final.slice(0, 20), ...lost.slice(20)];
    await Promise.all([service.deliver({ events: half }), service.deliver({ events: otherHalf })]);
    const expected = sum(requests.map((each) => each.final));
    expect(await row(accountId)).toMatchObject({
      spent_nano: expected,
      balance_nano: 1_000_000n - expected,
      request_count: 40n,
    });
    // What the customer reads per request adds up to what the request cost.
    const entries = await allEntries(accountId);
    for (const each of requests)
      expect(
        -sum(entries.filter(({ requestId }) => requestId === each.requestId).map(({ amount }) => amount)),
      ).toBe(each.final);
  });

  // Guarantee: a process that dies between commit and publication leaves nothing unsaid for long.
  it('repairs a publication that was lost after the commit', async () => {
    const accountId = await newAccount(10_000n);
    await eventually(async () => (await row(accountId)).published_ledger_version === 2n);
    auth.before = () => Promise.reject(new Error('away'));
    await service.deliver({ events: [usageEventOf({ accountId, cost: 1n })] });
    expect(await row(accountId)).toMatchObject({ ledger_version: 3n, published_ledger_version: 2n });
    await eventually(async () =>
      (await running.metrics.metrics()).includes('tunan_billing_unpublished_accounts 1'),
    );
    auth.before = () => Promise.resolve();
    await eventually(() => auth.refreshed.some((accountIds) => accountIds.includes(accountId)));
    await eventually(async () => (await row(accountId)).published_ledger_version === 3n);
    await eventually(async () =>
      (await running.metrics.metrics()).includes('tunan_billing_unpublished_accounts 0'),
    );
  });

  it('has an account read again whose profile another service changed', async () => {
    const accountId = await newAccount();
    await query('UPDATE account SET profile_version = profile_version + 1 WHERE id = $1', [accountId]);
    await eventually(() => auth.refreshed.some((accountIds) => accountIds.includes(accountId)));
  });

  it('puts poison aside with the batch, and keeps it for a person to read', async () => {
    const accountId = await newAccount(10_000n);
    const good = usageEventOf({ accountId, cost: 5n });
    const nobody = usageEventOf({ accountId: 'acc_nobody', cost: 5n });
    const negative = usageEventOf({ accountId, cost: -5n });
    const unstorable = usageEventOf({ accountId, keyId: 'key\0' });
    for (let delivery = 0; delivery < 2; delivery += 1)
      await service.deliver({ events: [negative, nobody, unstorable, good, {} as UsageEvent] });
    expect(await row(accountId)).toMatchObject({ spent_nano: 5n, request_count: 1n });
    const letters = await query<{ event_id: string | null; reason: string; event: string }>(
      'SELECT event_id, reason, event FROM usage_dead_letter ORDER BY id',
    );
    expect(letters.map(({ event_id, reason }) => [event_id, reason])).toEqual([
      [negative.id, 'invalid'],
      [unstorable.id, 'invalid'],
      [null, 'invalid'],
      [nobody.id, 'unknown_account'],
    ]);
    expect(JSON.parse(letters[3]!.event)).toMatchObject({ id: nobody.id, data: { cost: '5' } });
  });

  describe('post', () => {
    it('posts once, whoever asks at the same time', async () => {
      const accountId = await newAccount();
      const posting = { eventId: uuidv7(), accountId, kind: 'topup' as const, amount: 700n };
      const results = await Promise.all(Array.from({ length: 8 }, () => service.post(posting)));
      expect(results.filter(({ posted }) => posted)).toHaveLength(1);
      expect(await row(accountId)).toMatchObject({ balance_nano: 700n, ledger_version: 2n });
      expect(await query('SELECT tier, profile_version FROM account WHERE id = $1', [accountId])).toEqual([
        { tier: 'paid', profile_version: 2n },
      ]);
    });

    it('gives an event id to one account only, though many ask at the same time', async () => {
      const accountIds = await Promise.all(Array.from({ length: 8 }, () => newAccount()));
      const eventId = uuidv7();
      const results = await Promise.allSettled(
        accountIds.map((accountId) => service.post({ eventId, accountId, kind: 'grant', amount: 700n })),
      );
      const refused = results.filter(({ status }) => status === 'rejected');
      expect(refused).toHaveLength(7);
      for (const each of refused)
        expect(each).toMatchObject({ reason: { code: 'invalid_value', param: 'eventId' } });
    });
  });

  describe('entries', () => {
    it('pages through the ledger without gaps or repeats', async () => {
      const accountId = await newAccount(10_000n);
      await service.deliver({
        events: Array.from({ length: 24 }, (_, index) =>
          usageEventOf({ accountId, cost: BigInt(index + 1) }),
        ),
      });
      const pages: LedgerEntry[] = [];
      let after: string | null = null;
      do {
        const page: Awaited<ReturnType<BillingPort['entries']>> = await service.entries({
          accountId,
          after,
          limit: 10,
        });
        pages.push(...page.entries);
        after = page.next;
      } while (after !== null);
      expect(pages.map(({ amount }) => amount)).toEqual([
        10_000n,
        ...Array.from({ length: 24 }, (_, index) => -BigInt(index + 1)),
      ]);
      expect(pages).toEqual(await allEntries(accountId));
    });

    // Guarantee: balance and entries are of one moment, also while the ledger is being written.
    it('shows a balance that its entries add up to, at any time', async () => {
      const accountId = await newAccount(1_000_000n);
      let writing = true;
      const writer = (async () => {
        for (let count = 0; count < 30; count += 1)
          await service.deliver({
            events: [usageEventOf({ accountId, cost: 11n }), usageEventOf({ accountId, cost: 13n })],
          });
        writing = false;
      })();
      let reads = 0;
      while (writing) {
        const { balance, entries } = await service.entries({ accountId, after: null, limit: 10_000 });
        expect(sum(entries.map(({ amount }) => amount))).toBe(balance);
        reads += 1;
      }
      await writer;
      expect(reads).toBeGreaterThan(1);
    });

    it.each([
      ['a cursor that is not ours', { after: 'abc' }, { code: 'invalid_value', param: 'after' }],
      ['a limit of nothing', { limit: 0 }, { code: 'invalid_value', param: 'limit' }],
      ['an unknown account', { accountId: 'acc_nobody' }, { code: 'not_found' }],
    ])('refuses %s', async (_name, facts, fault) => {
      await expect(
        service.entries({ accountId: 'acc_nobody', after: null, limit: 10, ...facts }),
      ).rejects.toMatchObject(fault);
    });
  });

  it('reconciles the books, and says so in metrics', async () => {
    const accountId = await newAccount(500n);
    await service.deliver({ events: [usageEventOf({ accountId })] });
    const figure = async (name: string): Promise<number> => {
      const line = (await running.metrics.metrics()).split('\n').find((each) => each.startsWith(`${name} `));
      return Number(line?.split(' ')[1]);
    };
    const BOOKS = 'tunan_billing_reconciliation_differences{check="books"}';
    await eventually(async () => (await figure(BOOKS)) >= 0);
    const before = await figure(BOOKS);
    const drift = (nano: number) =>
      query('UPDATE account SET balance_nano = balance_nano + $2 WHERE id = $1', [accountId, nano]);
    await drift(1);
    await eventually(async () => (await figure(BOOKS)) === before + 1);
    await drift(-1);
    await eventually(async () => (await figure(BOOKS)) === before);
    expect(await figure('tunan_billing_reconciled_timestamp_seconds')).toBeGreaterThan(0);
    for (const check of ['books', 'rating']) {
      expect(await figure(`tunan_billing_reconciliation_failed_checks{check="${check}"}`)).toBe(0);
      expect(
        await figure(`tunan_billing_reconciliation_pass_timestamp_seconds{check="${check}"}`),
      ).toBeGreaterThan(0);
    }
    expect(await figure('tunan_billing_rated_through_timestamp_seconds')).toBeGreaterThan(0);
    expect(await figure('tunan_billing_clearing_micro_usd')).toBeGreaterThanOrEqual(0);
  });

  it('makes partitions ahead', async () => {
    const isMade = async (): Promise<boolean> => {
      const [count] = await query<{ count: number }>(
        `SELECT count(*)::int AS count FROM pg_inherits WHERE inhparent = 'usage_event'::regclass`,
      );
      // Last month, this one, two ahead, and the default.
      return count!.count >= 5;
    };
    await eventually(isMade);
  });
});

describe('billing, without Postgres', () => {
  // Guarantee: it starts, says what is missing, fails calls so that they are repeated, and goes on by itself.
  it('waits for the database and survives losing it', async () => {
    const server = await startTestPostgres();
    const { url } = server;
    await server.server.stop();
    const pool = createPool({ url, applicationName: 'billing-spec', connectTimeoutMs: 1_000 });
    const { service, instance, health } = await startBilling(pool, new FakeAuth());
    const state = () => health.dependencies.find(({ name }) => name === 'postgres');
    try {
      await eventually(() => state()?.detail !== 'not reached yet');
      expect(state()).toMatchObject({ up: false, seen: false });
      await expect(service.deliver({ events: [usageEventOf({ accountId: 'acc_1' })] })).rejects.toMatchObject(
        {
          code: 'service_unavailable',
          retryAfterMs: 1_000,
        },
      );
      await server.restart();
      // The schema is the host's to migrate; until then the database is there and of no use.
      await eventually(() => /relation .* does not exist/.test(state()!.detail));
      await migrate(server.url);
      await eventually(() => state()!.up);
      await expect(service.deliver({ events: [usageEventOf({ accountId: 'acc_1' })] })).resolves.toEqual({});
    } finally {
      await instance.stop();
      await pool.end();
      await server.destroy();
    }
  }, 60_000);
});
