import type { Pool } from 'pg';
import { markPublished } from '@tunan/postgres';
import { PublicationLog } from '../ports/ledger.js';
import { COUNT_UNPUBLISHED, FIND_UNPUBLISHED } from './ledger-sql.js';

/** Enough to see that something is wrong; counting further would cost more than it tells. */
const COUNT_MAX = 10_000;

/** What has been published, in the account rows themselves. */
export class PostgresPublicationLog extends PublicationLog {
  constructor(private readonly pool: Pool) {
    super();
  }

  async markPublished(versions: ReadonlyMap<string, number>): Promise<void> {
    const marks = Array.from(versions, ([accountId, ledger]) => ({ accountId, ledger, profile: null }));
    await markPublished(this.pool, marks);
  }

  async unpublished(afterId: string, limit: number): Promise<readonly string[]> {
    const { rows } = await this.pool.query<{ id: string }>(FIND_UNPUBLISHED, [afterId, limit]);
    return rows.map((row) => row.id);
  }

  async countUnpublished(): Promise<number> {
    const { rows } = await this.pool.query<{ count: number }>(COUNT_UNPUBLISHED, [COUNT_MAX]);
    return rows[0]?.count ?? 0;
  }
}
