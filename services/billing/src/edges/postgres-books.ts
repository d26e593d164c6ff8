import type { Nano } from '@tunan/kernel';
import type { Pool } from 'pg';
import { Books, type AccountSums } from '../ports/books.js';

/** One statement is one snapshot: the figures and their sums fit each other. */
const SUMS = `
SELECT a.id, a.balance_nano, a.spent_nano,
  COALESCE(t.transferred, 0)::bigint AS transferred_nano, COALESCE(t.charged, 0)::bigint AS charged_nano,
  COALESCE((SELECT sum(cost_nano) FROM usage_day d WHERE d.account_id = a.id), 0)::bigint AS by_day_nano
FROM account a
LEFT JOIN LATERAL (
  SELECT sum(CASE WHEN starts_with(credit, 'customer:') THEN amount_nano ELSE -amount_nano END) AS transferred,
         sum(CASE kind WHEN 'charge' THEN amount_nano WHEN 'correction' THEN -amount_nano ELSE 0 END) AS charged
  FROM ledger_transfer
  WHERE ledger_customer(debit, credit) = ('customer:' || a.id) COLLATE "C"
) t ON true
WHERE a.id > $1 COLLATE "C" ORDER BY a.id LIMIT $2`;

const CLEARING = `
SELECT COALESCE(sum(CASE debit WHEN 'clearing' THEN amount_nano ELSE -amount_nano END), 0)::bigint AS amount_nano
FROM ledger_transfer WHERE debit = 'clearing' OR credit = 'clearing'`;

interface SumsRow {
  readonly id: string;
  readonly balance_nano: Nano;
  readonly spent_nano: Nano;
  readonly transferred_nano: Nano;
  readonly charged_nano: Nano;
  readonly by_day_nano: Nano;
}

/** Sums over the ledger in Postgres. */
export class PostgresBooks extends Books {
  constructor(private readonly pool: Pool) {
    super();
  }

  override async sums(afterId: string, limit: number): Promise<readonly AccountSums[]> {
    const { rows } = await this.pool.query<SumsRow>(SUMS, [afterId, limit]);
    return rows.map((row) => ({
      accountId: row.id,
      balance: row.balance_nano,
      spent: row.spent_nano,
      transferred: row.transferred_nano,
      charged: row.charged_nano,
      byDay: row.by_day_nano,
    }));
  }

  override async clearing(): Promise<Nano> {
    const { rows } = await this.pool.query<{ amount_nano: Nano }>(CLEARING);
    return rows[0]!.amount_nano;
  }
}
