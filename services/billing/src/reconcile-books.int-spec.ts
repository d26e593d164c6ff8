import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { UsageEvent } from '@tunan/contracts';
import { SystemClock, uuidv7, uuidv7TimeMs, type Nano } from '@tunan/kernel';
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
import { ReconciliationMetrics } from './reconciliation.metrics.js';
import { aCatalogWire } from './testing/catalog-snapshots.js';
import { FakeAuth } from './testing/fake-auth.js';
import { insertAccount } from './testing/postgres-rows.js';
import { usageEventOf } from './testing/usage-events.js';

const PRICE = { input: 200_000_000n, cachedInput: 20_000_000n, output: 400_000_000n };
/** Price and cost of the events that tests make: 120 prompt and 340 completion tokens. */
const SOLD: Nano = 120n * 200n + 340n * 400n;
const COST: Nano = 120n * 150n + 340n * 600n;

const asLost = (event: UsageEvent): UsageEvent => ({
  ...event,
  id: `${event.data.requestId}:lost`,
  data: { ...event.data, kind: 'lost', outcome: 'lost' },
});

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
      clock,
      logger,
      { accounts: 2, transfers: 4, events: 3, budgetMs: 60_000 },
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

  const keyOf = (accountId: string): string => `key-${accountId}`;
  const open = async (accountId: string): Promise<string> => {
    await insertAccount(database.pool, accountId, [
      { keyId: keyOf(accountId), capped: true },
      { keyId: `unused-${accountId}`, capped: true },
    ]);
    return accountId;
  };

  const eventOf = (accountId: string): UsageEvent => {
    const event = usageEventOf({ accountId, keyId: keyOf(accountId), cost: SOLD });
    return { ...event, data: { ...event.data, catalogVersion, price: PRICE, channel: 'main' } };
  };

  /** A round, in which there is time for everything. */
  const runAll = () => reconcile.run(new AbortController().signal);

  it('finds nothing in books that are right, and every planted difference until it is mended', async () => {
    const planted = [
      'UPDATE account SET spent_nano = spent_nano + 1 WHERE id = $1',
      'UPDATE account SET promo_nano = promo_nano + 1 WHERE id = $1',
      'UPDATE account SET request_count = request_count + 1 WHERE id = $1',
      'UPDATE usage_day SET cost_nano = cost_nano + 1 WHERE account_id = $1',
      'UPDATE usage_day SET request_count = request_count + 1 WHERE account_id = $1',
      'UPDATE api_key SET spent_nano = 0 WHERE account_id = $1',
      `UPDATE api_key SET spent_nano = 1 WHERE id = 'unused-' || $1`,
      'UPDATE account SET balance_nano = balance_nano + 1 WHERE id = $1',
    ];
    const accounts: string[] = [];
    for (let count = 0; count < planted.length; count += 1) {
      const accountId = await open(`acc_${uuidv7()}`);
      accounts.push(accountId);
      await post.post({ eventId: `give-${accountId}`, accountId, kind: 'grant', amount: SOLD / 2n });
      await post.post({ eventId: `pay-${accountId}`, accountId, kind: 'topup', amount: 1_000_000n });
      const [fresh, lost] = [eventOf(accountId), eventOf(accountId)];
      // A final event that costs less than its lost one gives credit, charges of the key and the request back.
      await deliver.deliver([fresh, asLost(lost)]);
      await deliver.deliver([{ ...lost, data: { ...lost.data, outcome: 'failed', cost: 0n } }]);
    }
    const clearing = BigInt(planted.length) * 1_000_000n;
    expect(await runAll()).toMatchObject({ books: 0, rating: 0, totals: { clearing, deadLetters: 0 } });

    for (const [index, accountId] of accounts.entries()) {
      await database.tamper(planted[index]!, accountId);
      expect(await runAll()).toMatchObject({ books: index + 1, rating: 0 });
    }
    const mended = accounts.pop();
    await database.tamper('UPDATE account SET balance_nano = balance_nano - 1 WHERE id = $1', mended);
    expect(await runAll()).toMatchObject({ books: accounts.length });

    const event = eventOf(mended!);
    await deliver.deliver([event]);
    await database.tamper(
      `UPDATE usage_event SET event = jsonb_set(event, '{data,cost}', '"1"') WHERE event_id = $1`,
      event.id,
    );
    expect(await runAll()).toMatchObject({ rating: 1 });
  });

  it('sums a history part by part while it grows, and finds a difference anywhere in it', async () => {
    const { books } = await runAll();
    const accountId = await open(`acc_${uuidv7()}`);
    await post.post({ eventId: `pay-${accountId}`, accountId, kind: 'topup', amount: 100n * SOLD });
    let delivered = false;
    const delivering = (async () => {
      for (let count = 0; count < 40; count += 1) await deliver.deliver([eventOf(accountId)]);
      delivered = true;
    })();
    while (!delivered) expect(await runAll()).toMatchObject({ books, failed: { books: 0 } });
    await delivering;
    for (const place of ['ASC', 'DESC']) {
      const change = (nano: number) =>
        database.tamper(
          `UPDATE ledger_transfer SET amount_nano = amount_nano + $2 WHERE seq = (
             SELECT seq FROM ledger_transfer WHERE debit = 'customer:' || $1 ORDER BY seq ${place} LIMIT 1)`,
          accountId,
          nano,
        );
      await change(1);
      expect((await runAll()).books).toBe(books + 1);
      await change(-1);
      expect((await runAll()).books).toBe(books);
    }
  });

  // Guarantee: what Postgres can't add up is counted, and hides nothing behind it.
  it('counts an account and a charge that can’t be checked, and checks all others', async () => {
    const { books, rating } = await runAll();
    const accounts = [`acc_0${uuidv7()}`, `acc_1${uuidv7()}`];
    for (const accountId of accounts) await open(accountId);
    const [broken, behind] = accounts;
    const [first, second] = [eventOf(broken!), eventOf(behind!)];
    await deliver.deliver([first]);
    await deliver.deliver([second]);
    await database.tamper(
      `INSERT INTO ledger_transfer (event_id, part, kind, debit, credit, amount_nano)
       SELECT $1, part, 'charge', 'customer:' || $2, 'revenue', 9e18 FROM generate_series(7, 8) part`,
      first.id,
      broken,
    );
    await database.tamper('UPDATE account SET balance_nano = balance_nano + 1 WHERE id = $1', behind);
    await database.tamper(
      'UPDATE ledger_transfer SET amount_nano = amount_nano + 1 WHERE event_id = $1',
      second.id,
    );
    const beganMs = Date.now();
    const found = await runAll();
    expect(found).toMatchObject({
      books: books + 1,
      rating: rating + 1,
      failed: { books: 1, rating: 1, clearing: 0 },
      errors: [],
    });
    expect(Math.min(found.passedMs.books, found.passedMs.rating)).toBeGreaterThanOrEqual(beganMs);

    await database.tamper('DELETE FROM ledger_transfer WHERE event_id = $1 AND part >= 7', first.id);
    await database.tamper('UPDATE account SET balance_nano = balance_nano - 1 WHERE id = $1', behind);
    await database.tamper(
      'UPDATE ledger_transfer SET amount_nano = amount_nano - 1 WHERE event_id = $1',
      second.id,
    );
    expect(await runAll()).toMatchObject({ books, rating, failed: { books: 0, rating: 0, clearing: 0 } });
  });

  it('counts what was put aside until somebody has dealt with it, and shows it', async () => {
    const shown = async (): Promise<string> => {
      const registry = new Registry();
      new ReconciliationMetrics(registry).show(await runAll(), Date.now());
      return registry.metrics();
    };
    const event = eventOf(await open(`acc_${uuidv7()}`));
    const otherCost = { ...event, data: { ...event.data, cost: 1n } };
    await deliver.deliver([event, eventOf('acc_unknown')]);
    await deliver.deliver([otherCost]);
    expect(await shown()).toContain('\ntunan_billing_dead_letter_rows 2\n');
    await database.pool.query('DELETE FROM usage_dead_letter');
    expect(await shown()).toContain('\ntunan_billing_dead_letter_rows 0\n');
  });

  it('adds up what the usage of a provider was sold for and cost', async () => {
    const { rated } = await runAll();
    const { rows } = await database.pool.query<{ sold: bigint; served: bigint; newest: string }>(
      `SELECT count(*) FILTER (WHERE cost_nano > 0) AS sold, count(*) AS served, max(request_id) AS newest
       FROM usage_event WHERE kind = 'final'`,
    );
    const { sold, served } = rows[0]!;
    expect(rated).toEqual({
      margins: new Map([['deepseek', { charged: sold * SOLD, cost: served * COST }]]),
      throughMs: uuidv7TimeMs(rows[0]!.newest),
    });
  });
});
