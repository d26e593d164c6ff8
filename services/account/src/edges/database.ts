import type { Clock } from '@tunan/kernel';
import { databaseFault, inTransaction } from '@tunan/postgres';
import type { Pool } from 'pg';

/** Runs one statement and returns its rows. */
export interface Queries {
  query<Row extends object>(sql: string, values?: readonly unknown[]): Promise<readonly Row[]>;
}

interface Executor {
  query(sql: string, values: unknown[]): Promise<{ rows: unknown[] }>;
}

const queriesOf = (executor: Executor): Queries => ({
  query: async <Row extends object>(sql: string, values: readonly unknown[] = []) =>
    (await executor.query(sql, [...values])).rows as Row[],
});

/** Postgres as the stores of this service use it: a database that can't answer is a fault that says "retry". */
export class Database implements Queries {
  constructor(
    private readonly pool: Pool,
    private readonly clock: Clock,
  ) {}

  /** @throws Fault */
  async query<Row extends object>(sql: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    try {
      return await queriesOf(this.pool).query<Row>(sql, values);
    } catch (error) {
      throw databaseFault(error);
    }
  }

  /**
   * Runs `work` in one transaction. It may run more than once and must have no other effects.
   * @throws Fault
   */
  async transaction<T>(work: (transaction: Queries) => Promise<T>): Promise<T> {
    try {
      return await inTransaction(this.pool, (client) => work(queriesOf(client)), { clock: this.clock });
    } catch (error) {
      throw databaseFault(error);
    }
  }
}
