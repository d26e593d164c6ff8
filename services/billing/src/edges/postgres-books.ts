import type { Nano } from '@tunan/kernel';
import type { Pool } from 'pg';
import { Books, type AccountSums, type Totals } from '../ports/books.js';

/**
 * Accounts and the sums of a part of their transfers. One statement is one snapshot: the figures and their sums fit each
 * other. Days and keys are looked at only where no transfers are left. What enforces the caps of keys is kept per key.
 */
const sums = (accounts: string, afterTransfer: string, transfersMax: string) => `
SELECT a.id, a.balance_nano, a.promo_nano, a.spent_nano, a.request_count,
  COALESCE(t.transferred, 0)::bigint AS transferred_nano, COALESCE(t.promo, 0)::bigint AS promo_transferred_nano,
  COALESCE(t.charged, 0)::bigint AS charged_nano,
  COALESCE(d.cost_nano, 0)::bigint AS by_day_nano, COALESCE(d.request_count, 0)::bigint AS requests_by_day, d.wrong_key,
  CASE WHEN t.count = ${transfersMax} THEN t.last_seq END AS next_seq
FROM account a
CROSS JOIN LATERAL (
  SELECT sum(CASE WHEN starts_with(credit, 'customer:') THEN amount_nano ELSE -amount_nano END) AS transferred,
         sum(CASE WHEN starts_with(credit, 'customer:') THEN promo_nano ELSE -promo_nano END) AS promo,
         sum(CASE kind WHEN 'charge' THEN amount_nano WHEN 'correction' THEN -amount_nano ELSE 0 END) AS charged,
         count(*) AS count, max(seq) AS last_seq
  FROM (
    SELECT seq, kind, credit, amount_nano, promo_nano FROM ledger_transfer
    WHERE ledger_customer(debit, credit) = ('customer:' || a.id) COLLATE "C" AND seq > ${afterTransfer}
    ORDER BY seq LIMIT ${transfersMax}
  ) part
) t
CROSS JOIN LATERAL (
  SELECT sum(d.cost_nano) AS cost_nano, sum(d.request_count) AS request_count,
         min(k.id) FILTER (WHERE k.spent_nano <> COALESCE(d.cost_nano, 0)) AS wrong_key
  FROM (
    SELECT key_id, sum(cost_nano) AS cost_nano, sum(request_count) AS request_count
    FROM usage_day WHERE account_id = a.id GROUP BY key_id
  ) d
  FULL JOIN (SELECT id, spent_nano FROM api_key WHERE account_id = a.id) k ON k.id = d.key_id
  WHERE t.count < ${transfersMax}
) d
${accounts}`;

const SUMS = sums('WHERE a.id > $1 COLLATE "C" ORDER BY a.id LIMIT $2', '0', '$3::bigint');

const MORE_SUMS = sums('WHERE a.id = $1', '$2', '$3::bigint');

const ACCOUNT_AFTER = 'SELECT id FROM account WHERE id > $1 COLLATE "C" ORDER BY id LIMIT 1';

/** Enough to see that something is wrong. */
const DEAD_LETTERS_MAX = 10_000;

const TOTALS = `
SELECT COALESCE(sum(CASE debit WHEN 'clearing' THEN amount_nano ELSE -amount_nano END), 0)::bigint AS clearing_nano,
       (SELECT count(*) FROM (SELECT FROM usage_dead_letter LIMIT $1) letters)::int AS dead_letters
FROM ledger_transfer WHERE debit = 'clearing' OR credit = 'clearing'`;

interface SumsRow {
  readonly id: string;
  readonly balance_nano: Nano;
  readonly promo_nano: Nano;
  readonly spent_nano: Nano;
  readonly request_count: bigint;
  readonly transferred_nano: Nano;
  readonly promo_transferred_nano: Nano;
  readonly charged_nano: Nano;
  readonly by_day_nano: Nano;
  readonly requests_by_day: bigint;
  readonly wrong_key: string | null;
  readonly next_seq: bigint | null;
}

/** Sums over the ledger in Postgres. */
export class PostgresBooks extends Books {
  constructor(private readonly pool: Pool) {
    super();
  }

  override async sums(afterId: string, limit: number, transfersMax: number): Promise<readonly AccountSums[]> {
    const { rows } = await this.pool.query<SumsRow>(SUMS, [afterId, limit, transfersMax]);
    return rows.map(toSums);
  }

  override async moreSums(
    accountId: string,
    afterTransfer: bigint,
    transfersMax: number,
  ): Promise<AccountSums> {
    const values = [accountId, afterTransfer.toString(), transfersMax];
    const { rows } = await this.pool.query<SumsRow>(MORE_SUMS, values);
    if (rows[0] === undefined) throw new Error(`no such account: ${accountId}`);
    return toSums(rows[0]);
  }

  override async accountAfter(afterId: string): Promise<string | null> {
    const { rows } = await this.pool.query<{ id: string }>(ACCOUNT_AFTER, [afterId]);
    return rows[0]?.id ?? null;
  }

  override async totals(): Promise<Totals> {
    const { rows } = await this.pool.query<{ clearing_nano: Nano; dead_letters: number }>(TOTALS, [
      DEAD_LETTERS_MAX,
    ]);
    const { clearing_nano: clearing, dead_letters: deadLetters } = rows[0]!;
    return { clearing, deadLetters };
  }
}

const toSums = (row: SumsRow): AccountSums => ({
  accountId: row.id,
  balance: row.balance_nano,
  promo: row.promo_nano,
  spent: row.spent_nano,
  requests: row.request_count,
  transferred: row.transferred_nano,
  promoTransferred: row.promo_transferred_nano,
  charged: row.charged_nano,
  byDay: row.by_day_nano,
  requestsByDay: row.requests_by_day,
  wrongKey: row.wrong_key,
  next: row.next_seq,
});
