import type { Pool, PoolClient } from 'pg';
import { SystemClock, type Clock } from '@tunan/kernel';
import { sqlState } from './database-fault.js';

export type Isolation = 'read committed' | 'repeatable read' | 'serializable';

export interface TransactionOptions {
  readonly isolation?: Isolation;
  /** Further attempts after a serialization failure or a deadlock, at most 5. */
  readonly retriesMax?: number;
  readonly clock?: Clock;
  /** Server settings for the transaction alone. Constants of the program: they go into the statement as they are. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Uniform in [0, 1): spreads the retries of transactions that collided. */
  readonly random?: () => number;
}

const RETRIES_LIMIT = 5;
const BACK_OFF_FIRST_MS = 10;
const SERIALIZATION_FAILURE = '40001';
const DEADLOCK_DETECTED = '40P01';

const BEGIN: Record<Isolation, string> = {
  'read committed': 'BEGIN ISOLATION LEVEL READ COMMITTED',
  'repeatable read': 'BEGIN ISOLATION LEVEL REPEATABLE READ',
  serializable: 'BEGIN ISOLATION LEVEL SERIALIZABLE',
};

/**
 * Runs `work` in one transaction: committed if it resolves, rolled back if it throws. Serialization failures and
 * deadlocks run it again, so it must have no effects outside the transaction. A connection that is lost during the
 * commit leaves the outcome unknown: callers must be idempotent.
 * @throws what `work` or the database threw; see `databaseFault`
 */
export const inTransaction = async <T>(
  pool: Pool,
  work: (client: PoolClient) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> => {
  const { isolation = 'read committed', clock = new SystemClock(), random = Math.random } = options;
  const begin = beginStatement(isolation, options.settings ?? {});
  const retriesMax = Math.min(options.retriesMax ?? RETRIES_LIMIT, RETRIES_LIMIT);
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await runOnce(pool, work, begin);
    } catch (error) {
      const state = sqlState(error);
      const mayRetry = state === SERIALIZATION_FAILURE || state === DEADLOCK_DETECTED;
      if (!mayRetry || attempt >= retriesMax) throw error;
      await clock.sleep(random() * BACK_OFF_FIRST_MS * 2 ** attempt);
    }
  }
};

/** One round trip, however many settings. */
const beginStatement = (isolation: Isolation, settings: Readonly<Record<string, string>>): string =>
  [BEGIN[isolation], ...Object.entries(settings).map(([name, value]) => `SET LOCAL ${name} = ${value}`)].join(
    '; ',
  );

const runOnce = async <T>(
  pool: Pool,
  work: (client: PoolClient) => Promise<T>,
  begin: string,
): Promise<T> => {
  const client = await pool.connect();
  let reusable = false;
  try {
    await client.query(begin);
    const result = await work(client);
    const { command } = await client.query('COMMIT');
    reusable = true;
    // The server answers COMMIT of a transaction in which a statement failed with ROLLBACK, and without an error.
    if (command !== 'COMMIT')
      throw new Error('transaction was rolled back: an error inside it had been swallowed');
    return result;
  } catch (error) {
    if (!reusable) reusable = await rolledBack(client, error);
    throw error;
  } finally {
    client.release(!reusable);
  }
};

/** Ends the transaction. False if the connection is not fit for another use. */
const rolledBack = async (client: PoolClient, error: unknown): Promise<boolean> => {
  // After a client-side timeout the connection still waits for the old answer; a ROLLBACK would queue behind it.
  if ((error as { message?: unknown } | null)?.message === 'Query read timeout') return false;
  try {
    await client.query('ROLLBACK');
    return true;
  } catch {
    return false;
  }
};
