import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { finalEventId, uuidv7 } from '@tunan/kernel';
import { createTestDatabase, type TestDatabase } from '../testing/index.js';

const DAY_MS = 24 * 3_600_000;

describe('the schema', () => {
  let database: TestDatabase;
  const query = async <Row extends object>(sql: string, values: unknown[] = []): Promise<Row[]> =>
    (await database.pool.query<Row>(sql, values)).rows;

  beforeAll(async () => {
    database = await createTestDatabase();
    await query(`INSERT INTO account (id, email, status) VALUES ('acc_1', 'a@example.com', 'active')`);
  });
  afterAll(() => database.drop());

  describe('ledger_transfer', () => {
    const insert = (values: Record<string, unknown>) => {
      const row = {
        event_id: uuidv7(),
        part: 0,
        kind: 'charge',
        debit: 'customer:acc_1',
        credit: 'revenue',
        amount_nano: 1,
        ...values,
      };
      const names = Object.keys(row);
      return query(
        `INSERT INTO ledger_transfer (${names.join(', ')}) VALUES (${names.map((_, index) => `$${index + 1}`).join(', ')})`,
        Object.values(row),
      );
    };

    it.each([
      ['nothing', { amount_nano: 0 }],
      ['a negative amount', { amount_nano: -1 }],
      ['more promotional credit than amount', { promo_nano: 2 }],
      ['an unknown kind', { kind: 'gift' }],
      ['an unknown system account', { credit: 'petty cash' }],
      ['two customers', { credit: 'customer:acc_2' }],
      ['no customer', { debit: 'revenue', credit: 'clearing' }],
      ['a customer without an id', { debit: 'customer:' }],
    ])('refuses a transfer of %s', async (_name, values) => {
      await expect(insert(values)).rejects.toMatchObject({ code: '23514' });
    });

    it('refuses the same part of the same event twice', async () => {
      await insert({ event_id: 'twice' });
      await expect(insert({ event_id: 'twice' })).rejects.toMatchObject({ code: '23505' });
    });

    // Guarantee: what the ledger says has happened stays said.
    it.each([
      'UPDATE ledger_transfer SET amount_nano = 2',
      'DELETE FROM ledger_transfer',
      'TRUNCATE ledger_transfer',
    ])('refuses %s', async (statement) => {
      await insert({});
      await expect(query(statement)).rejects.toMatchObject({ code: '23001' });
    });

    it('finds the transfers of a customer by one index, whichever side the customer is on', async () => {
      const plan = await query<{ 'QUERY PLAN': string }>(
        `EXPLAIN SELECT * FROM ledger_transfer WHERE ledger_customer(debit, credit) = 'customer:acc_1' ORDER BY seq LIMIT 10`,
      );
      expect(plan.map((line) => line['QUERY PLAN']).join('\n')).toContain('ledger_transfer_customer');
    });
  });

  it('refuses promotional credit beyond the balance', async () => {
    await expect(query('UPDATE account SET promo_nano = 1')).rejects.toMatchObject({ code: '23514' });
  });

  describe('usage_event', () => {
    const insert = (eventId: string) =>
      query(
        `INSERT INTO usage_event (event_id, account_id, request_id, kind, cost_nano, catalog_version, event)
         VALUES ($1, 'acc_1', split_part($1, ':', 1), 'final', 0, 1, '{}')`,
        [eventId],
      );
    const partitionOf = async (eventId: string): Promise<string | undefined> =>
      (
        await query<{ name: string }>(
          'SELECT tableoid::regclass::text AS name FROM usage_event WHERE event_id = $1',
          [eventId],
        )
      )[0]?.name;
    const partitionName = (date: Date): string =>
      `usage_event_${date.getUTCFullYear()}_${String(date.getUTCMonth() + 1).padStart(2, '0')}`;

    it('puts an event into the month of its request', async () => {
      const eventId = finalEventId(uuidv7());
      await insert(eventId);
      expect(await partitionOf(eventId)).toBe(partitionName(new Date()));
    });

    it('splits months at midnight UTC of the first, to the millisecond', async () => {
      const now = new Date();
      const nextMonthMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1);
      const [last, first] = [finalEventId(uuidv7(nextMonthMs - 1)), finalEventId(uuidv7(nextMonthMs))];
      await insert(last);
      await insert(first);
      expect(await partitionOf(last)).toBe(partitionName(now));
      expect(await partitionOf(first)).toBe(partitionName(new Date(nextMonthMs)));
    });

    it('refuses a second event of the same id, and takes ids from any time or form', async () => {
      for (const eventId of [
        finalEventId(uuidv7(Date.now() - 400 * DAY_MS)),
        finalEventId(uuidv7(Date.now() + 400 * DAY_MS)),
        'zzz:final',
      ]) {
        await insert(eventId);
        expect(await partitionOf(eventId)).toBe('usage_event_default');
        await expect(insert(eventId)).rejects.toMatchObject({ code: '23505' });
      }
    });

    // Guarantee: events that came before their month's partition was made stay found, and unique.
    it('moves events out of the default partition when their month is made', async () => {
      const farMs = Date.now() + 150 * DAY_MS;
      const eventId = finalEventId(uuidv7(farMs));
      await insert(eventId);
      expect(await partitionOf(eventId)).toBe('usage_event_default');
      const [made] = await query<{ count: number }>('SELECT ensure_usage_partitions(7) AS count');
      expect(made!.count).toBe(5);
      expect(await partitionOf(eventId)).toBe(partitionName(new Date(farMs)));
      await expect(insert(eventId)).rejects.toMatchObject({ code: '23505' });
    });

    it('makes partitions once, whoever asks at the same time', async () => {
      const made = await Promise.all(
        [1, 2, 3, 4].map(() => query<{ count: number }>('SELECT ensure_usage_partitions(9) AS count')),
      );
      expect(made.map(([row]) => row!.count).sort()).toEqual([0, 0, 0, 2]);
      await expect(query('SELECT ensure_usage_partitions(-1)')).rejects.toThrow('between 0 and 120');
    });
  });

  it('has one active catalog, which exists', async () => {
    await expect(query('INSERT INTO catalog_active (version) VALUES (99)')).rejects.toMatchObject({
      code: '23503',
    });
    const [snapshot] = await query<{ version: bigint }>(
      `INSERT INTO catalog_snapshot (body) VALUES ('{}') RETURNING version`,
    );
    await query('INSERT INTO catalog_active (version) VALUES ($1)', [snapshot!.version]);
    await expect(
      query('INSERT INTO catalog_active (version) VALUES ($1)', [snapshot!.version]),
    ).rejects.toMatchObject({ code: '23505' });
  });

  it('keeps a dead letter once', async () => {
    const insert = () =>
      query(
        `INSERT INTO usage_dead_letter (reason, event) VALUES ('invalid', '{}') ON CONFLICT DO NOTHING RETURNING id`,
      );
    expect([(await insert()).length, (await insert()).length]).toEqual([1, 0]);
  });
});
