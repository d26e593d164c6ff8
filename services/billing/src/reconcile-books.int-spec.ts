import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { UsageEvent } from '@tunan/contracts';
import { SystemClock, uuidv7, type Nano } from '@tunan/kernel';
import { createTestDatabase, type TestDatabase } from '@tunan/postgres/testing';
import { createLogger } from '@tunan/service-kit';
import { Registry } from 'prom-client';
import { AccountPublisher } from './account-publisher.js';
import { BillingMetrics } from './billing.metrics.js';
import { DeliverUsage } from './deliver-usage.js';
import { PostgresBooks } from './edges/postgres-books.js';
import { PostgresLedger } from './edges/postgres-ledger.js';
import { PostgresPriceArchive } from './edges/postgres-price-archive.js';
import { PostgresUsageReader } from './edges/postgres-usage-reader.js';
import { PostEntry } from './post-entry.js';
import { ReconcileBooks } from './reconcile-books.js';
import { aCatalogWire } from './testing/catalog-snapshots.js';
import { FakeAuth } from './testing/fake-auth.js';
import { insertAccount } from './testing/postgres-rows.js';
import { usageEventOf } from './testing/usage-events.js';

const PRICE = { input: 200_000_000n, cachedInput: 20_000_000n, output: 400_000_000n };
/** Price and cost of the events that tests make: 120 prompt and 340 completion tokens. */
const SOLD: Nano = 120n * 200n + 340n * 400n;
const COST: Nano = 120n * 150n + 340n * 600n;

describe('reconciliation of the books', () => {
  let database: TestDatabase;
  let deliver: DeliverUsage;
  let post: PostEntry;
  let reconcile: ReconcileBooks;
  let catalogVersion: number;

  beforeAll(async () => {
    database = await createTestDatabase();
    const { pool } = database;
    const metrics = new BillingMetrics(new Registry());
    const [clock, logger] = [new SystemClock(), createLogger('silent')];
    const publisher = new AccountPublisher(new FakeAuth(), metrics, clock, logger);
    const ledger = new PostgresLedger(pool);
    deliver = new DeliverUsage(ledger, publisher, metrics, clock, logger);
    post = new PostEntry(ledger, publisher, metrics);
    reconcile = new ReconcileBooks(
      new PostgresBooks(pool),
      new PostgresUsageReader(pool),
      new PostgresPriceArchive(pool),
      logger,
      { accounts: 2, events: 3 },
    );
    const [channel] = aCatalogWire().channels;
    const cost = { input: '0.15', output: '0.60', source: 'list', asOf: '2026-06-01' };
    const { rows } = await pool.query<{ version: bigint }>(
      'INSERT INTO catalog_snapshot (body) VALUES ($1) RETURNING version',
      [JSON.stringify({ ...aCatalogWire(), channels: [{ ...channel, cost }] })],
    );
    catalogVersion = Number(rows[0]!.version);
  }, 60_000);
  afterAll(() => database.drop(), 60_000);

  const eventOf = (accountId: string): UsageEvent => {
    const event = usageEventOf({ accountId, cost: SOLD });
    return { ...event, data: { ...event.data, catalogVersion, price: PRICE, channel: 'main' } };
  };

  /** Rounds until everything has been looked at. */
  const runAll = async () => {
    for (let rounds = 0; rounds < 20; rounds += 1) await reconcile.run();
    return reconcile.run();
  };

  const tamper = async (sql: string, ...values: unknown[]): Promise<void> => {
    const client = await database.pool.connect();
    try {
      await client.query("BEGIN; SET LOCAL session_replication_role = 'replica'");
      await client.query(sql, values);
      await client.query('COMMIT');
    } finally {
      client.release();
    }
  };

  it('finds nothing in books that are right, and every planted difference until it is mended', async () => {
    const accounts: string[] = [];
    for (let index = 0; index < 5; index += 1) {
      const accountId = `acc_${uuidv7()}`;
      accounts.push(accountId);
      await insertAccount(database.pool, accountId);
      await post.post({ eventId: `pay-${accountId}`, accountId, kind: 'topup', amount: 1_000_000n });
      await deliver.deliver([eventOf(accountId), eventOf(accountId)]);
    }
    expect(await runAll()).toMatchObject({ books: 0, rating: 0, clearing: 5_000_000n });

    const [first, second, third] = accounts;
    await tamper('UPDATE account SET balance_nano = balance_nano + 1 WHERE id = $1', first);
    await tamper('UPDATE account SET spent_nano = spent_nano + 1 WHERE id = $1', second);
    await tamper('UPDATE usage_day SET cost_nano = cost_nano + 1 WHERE account_id = $1', third);
    expect(await runAll()).toMatchObject({ books: 3, rating: 0 });
    await tamper('UPDATE account SET balance_nano = balance_nano - 1 WHERE id = $1', first);
    expect(await runAll()).toMatchObject({ books: 2 });

    const event = eventOf(third!);
    await deliver.deliver([event]);
    await tamper(
      `UPDATE usage_event SET event = jsonb_set(event, '{data,cost}', '"1"') WHERE event_id = $1`,
      event.id,
    );
    expect(await runAll()).toMatchObject({ rating: 1 });
  });

  it('adds up what the usage of a provider was sold for and cost, after each pass over all events', async () => {
    let margins = (await reconcile.run()).margins;
    for (let rounds = 0; margins === null && rounds < 20; rounds += 1) ({ margins } = await reconcile.run());
    const { rows } = await database.pool.query<{ count: number }>(
      'SELECT count(*)::int AS count FROM usage_event',
    );
    const events = BigInt(rows[0]!.count);
    expect(margins).toEqual(new Map([['deepseek', { charged: events * SOLD, cost: events * COST }]]));
  });
});
