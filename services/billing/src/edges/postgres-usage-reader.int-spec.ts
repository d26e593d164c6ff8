import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { UsageEvent } from '@tunan/contracts';
import { SystemClock, uuidv7, type Nano } from '@tunan/kernel';
import { createTestDatabase, type TestDatabase } from '@tunan/postgres/testing';
import { createLogger } from '@tunan/service-kit';
import { Registry } from 'prom-client';
import { AccountPublisher } from '../account-publisher.js';
import { BillingMetrics } from '../billing.metrics.js';
import { DeliverUsage } from '../deliver-usage.js';
import type { ChargedPage } from '../ports/usage-reader.js';
import { RerateLedger } from '../rerate-ledger.js';
import { aCatalogWire } from '../testing/catalog-snapshots.js';
import { FakeAuth } from '../testing/fake-auth.js';
import { insertAccount } from '../testing/postgres-rows.js';
import { usageEventOf } from '../testing/usage-events.js';
import { PostgresLedger } from './postgres-ledger.js';
import { PostgresPriceArchive } from './postgres-price-archive.js';
import { PostgresUsageReader } from './postgres-usage-reader.js';
import { CHARGED_OF_ALL } from './usage-sql.js';

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 0, 31, 23, 59, 59, 999);
const PRICE = { input: 200_000_000n, cachedInput: 20_000_000n, output: 400_000_000n };
/** Price × usage of the events that tests make: 120 prompt and 340 completion tokens. */
const COST: Nano = 120n * 200n + 340n * 400n;

describe('usage in Postgres', () => {
  let database: TestDatabase;
  let usage: PostgresUsageReader;
  let deliver: DeliverUsage;
  let catalogVersion: number;

  beforeAll(async () => {
    database = await createTestDatabase();
    usage = new PostgresUsageReader(database.pool);
    const metrics = new BillingMetrics(new Registry());
    const [clock, logger] = [new SystemClock(), createLogger('silent')];
    const publisher = new AccountPublisher(new FakeAuth(), metrics, clock, logger);
    deliver = new DeliverUsage(new PostgresLedger(database.pool), publisher, metrics, clock, logger);
    const { rows } = await database.pool.query<{ version: bigint }>(
      'INSERT INTO catalog_snapshot (body) VALUES ($1) RETURNING version',
      [JSON.stringify(aCatalogWire())],
    );
    catalogVersion = Number(rows[0]!.version);
  });
  afterAll(() => database.drop());

  const newAccount = async (): Promise<string> => {
    const accountId = `acc_${uuidv7()}`;
    await insertAccount(database.pool, accountId);
    return accountId;
  };

  const eventOf = (
    accountId: string,
    facts: Partial<Parameters<typeof usageEventOf>[0]> = {},
    data: Partial<UsageEvent['data']> = {},
  ): UsageEvent => {
    const event = usageEventOf({ accountId, cost: COST, ...facts });
    return { ...event, data: { ...event.data, catalogVersion, price: PRICE, ...data } };
  };

  const deliverAll = (...events: UsageEvent[]): Promise<void> => deliver.deliver(events);

  it('finds the event of a request: final before lost, of its own account only', async () => {
    const [accountId, other] = [await newAccount(), await newAccount()];
    const requestId = uuidv7();
    const lost = eventOf(accountId, { requestId, kind: 'lost', cost: 5n });
    const final = eventOf(accountId, { requestId });
    await deliverAll(lost);
    expect(await usage.find(accountId, requestId)).toEqual(lost);
    await deliverAll(final);
    expect(await usage.find(accountId, requestId)).toEqual(final);
    expect(await usage.find(other, requestId)).toBeNull();
    expect(await usage.find(accountId, `${requestId}' OR true --`)).toBeNull();
  });

  it('sums charges by UTC day, model and key, with a lost event replaced by its final one', async () => {
    const accountId = await newAccount();
    const requestId = uuidv7(START_MS);
    await deliverAll(
      eventOf(accountId, { requestId, kind: 'lost', cost: 5n }),
      eventOf(accountId, { requestId: uuidv7(START_MS + 1), keyId: 'key_2', cost: 7n }),
      eventOf(accountId, { requestId: uuidv7(START_MS + 1), cost: 11n }, { model: 'other-model' }),
      eventOf(accountId, { requestId: uuidv7(START_MS + DAY_MS), cost: 13n }),
    );
    await deliverAll(eventOf(accountId, { requestId, cost: 6n }));
    const range = { accountId, keyId: null, from: '2026-01-01', through: '2026-02-28' };
    expect(await usage.byDay(range)).toEqual([
      { day: '2026-01-31', model: 'deepseek-chat', cost: 6n, requests: 1 },
      { day: '2026-02-01', model: 'deepseek-chat', cost: 20n, requests: 2 },
      { day: '2026-02-01', model: 'other-model', cost: 11n, requests: 1 },
    ]);
    expect(await usage.byDay({ ...range, keyId: 'key_2' })).toEqual([
      { day: '2026-02-01', model: 'deepseek-chat', cost: 7n, requests: 1 },
    ]);
    expect(await usage.byDay({ ...range, from: '2026-02-02' })).toEqual([]);
  });

  describe('rerating', () => {
    const rerateAll = async (accountId: string | null, limit = 2_000) => {
      const rerating = new RerateLedger(usage, new PostgresPriceArchive(database.pool));
      const pages = [];
      for (let after: string | null = null; ;) {
        const page: Awaited<ReturnType<RerateLedger['page']>> = await rerating.page({
          accountId,
          after,
          limit,
        });
        pages.push(page);
        if ((after = page.next) === null) break;
      }
      return {
        pages: pages.length,
        events: pages.reduce((sum, page) => sum + page.events, 0),
        charged: pages.reduce((sum, page) => sum + page.charged, 0n),
        rerated: pages.reduce((sum, page) => sum + page.rerated, 0n),
        differences: pages.flatMap((page) => page.differences),
      };
    };

    it('reproduces the ledger from the snapshots, page by page', async () => {
      const accountId = await newAccount();
      const requestId = uuidv7();
      await deliverAll(
        ...Array.from({ length: 6 }, () => eventOf(accountId)),
        eventOf(accountId, { requestId, kind: 'lost', cost: 5n }),
      );
      await deliverAll(eventOf(accountId, { requestId }));
      expect(await rerateAll(accountId, 3)).toEqual({
        pages: 3,
        events: 7,
        charged: 7n * COST,
        rerated: 7n * COST,
        differences: [],
      });
    });

    it('reports what a hand has changed: an event, a transfer, a missing event', async () => {
      const accountId = await newAccount();
      const [a, b, c] = [eventOf(accountId), eventOf(accountId), eventOf(accountId)];
      await deliverAll(a, b, c);
      await database.tamper(
        `UPDATE usage_event SET event = jsonb_set(event, '{data,cost}', '"1"') WHERE event_id = $1`,
        a.id,
      );
      await database.tamper(
        'UPDATE ledger_transfer SET amount_nano = amount_nano + 1 WHERE event_id = $1',
        b.id,
      );
      await database.tamper('DELETE FROM usage_event WHERE event_id = $1', c.id);
      const { differences } = await rerateAll(accountId);
      expect(Object.fromEntries(differences.map(({ eventId, faults }) => [eventId, faults]))).toEqual({
        [a.id]: ['cost', 'ledger'],
        [b.id]: ['ledger'],
        [c.id]: ['event'],
      });
      const all = await rerateAll(null, 2);
      expect(all.differences.map(({ eventId }) => eventId)).toEqual(
        expect.arrayContaining([a.id, b.id, c.id]),
      );
    });

    it('takes an event that can’t be read for one that is missing', async () => {
      const accountId = await newAccount();
      const [unreadable, other] = [eventOf(accountId), eventOf(accountId)];
      await deliverAll(unreadable, other);
      await database.tamper(
        `UPDATE usage_event SET event = event - 'data' WHERE event_id = $1`,
        unreadable.id,
      );
      expect(await rerateAll(accountId)).toMatchObject({
        events: 2,
        charged: 2n * COST,
        differences: [{ eventId: unreadable.id, faults: ['event'], charged: COST, stated: null }],
      });
    });

    // Guarantee: neither how many payments there are nor where they are makes a page read more than its part.
    it('finds a charge without an event behind any number of payments, by bounded pages', async () => {
      const accountId = await newAccount();
      const event = eventOf(accountId, { requestId: 'zz' });
      await deliverAll(event);
      await database.tamper('DELETE FROM usage_event WHERE event_id = $1', event.id);
      await database.tamper(
        `INSERT INTO ledger_transfer (event_id, part, kind, debit, credit, amount_nano)
         SELECT 'pay:' || n, 0, 'topup', 'clearing', 'customer:' || $1, 1 FROM generate_series(1, 90) n`,
        accountId,
      );
      // Twenty transfers for each event that a page may list.
      for (const owner of [accountId, null]) {
        const pages = [];
        for (let after: string | null = 'a'; after !== null;) {
          const page: ChargedPage = await usage.charged(owner, after, 1);
          pages.push(page.requests.map(({ eventId }) => eventId));
          after = page.next;
        }
        expect(pages).toEqual([[], [], [], [], [event.id], []]);
      }
      expect(await usage.eventIdAfter('pay:99')).toBe(event.id);
      expect(await usage.eventIdAfter(event.id)).toBeNull();
    });

    it('is led through the ledger by an index, no further than the last event of a page', async () => {
      const client = await database.pool.connect();
      try {
        await client.query('BEGIN; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off');
        const { rows } = await client.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${CHARGED_OF_ALL}`, [
          null,
          '',
          3,
        ]);
        const plan = rows.map((line) => line['QUERY PLAN']).join('\n');
        expect(plan).toMatch(/ledger_transfer t\b.*\n.*Index Cond: .*event_id > .*event_id <= \(InitPlan/);
        await client.query('ROLLBACK');
      } finally {
        client.release();
      }
    });

    it('refuses what is no cursor', async () => {
      const rerating = new RerateLedger(usage, new PostgresPriceArchive(database.pool));
      for (const after of ['', 'a b', '\0'])
        await expect(rerating.page({ accountId: null, after, limit: 1 })).rejects.toMatchObject({
          code: 'invalid_value',
        });
    });
  });
});
