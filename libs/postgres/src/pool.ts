import pg from 'pg';
import type { Pool, PoolClient, PoolConfig } from 'pg';
import { Fault } from '@tunan/kernel';
import { typesWithBigint } from './types.js';

/** Settings of a pool. Every wait in it is bounded. */
export interface PoolOptions {
  /** `postgres://user:password@host:port/database`, TLS parameters included where the server wants them. */
  readonly url: string;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  readonly connectionsMax?: number;
  /** Callers that may wait for a connection at the same time; one more is refused at once. */
  readonly waitersMax?: number;
  /** Bound of a connect, and of the wait for a free connection. */
  readonly connectTimeoutMs?: number;
  /** A connection that was not used for this long is closed. */
  readonly idleTimeoutMs?: number;
  readonly statementTimeoutMs?: number;
  readonly lockTimeoutMs?: number;
  /** A transaction whose owner went silent ends after this time, and its locks with it. */
  readonly idleInTransactionTimeoutMs?: number;
  /** Told of connections that broke while nobody used them; the pool has replaced them by then. */
  readonly onIdleError?: (error: Error) => void;
}

const DEFAULTS = {
  connectionsMax: 10,
  waitersMax: 200,
  connectTimeoutMs: 3_000,
  idleTimeoutMs: 30_000,
  statementTimeoutMs: 15_000,
  lockTimeoutMs: 5_000,
  idleInTransactionTimeoutMs: 30_000,
} as const;

/** The client gives up this much later than the server should have: only a dead connection gets so far. */
const CLIENT_GRACE_MS = 2_000;

/** A pool whose waiting line has an end: with the database away, callers are refused instead of piling up. */
class BoundedPool extends pg.Pool {
  readonly #waitersMax: number;

  constructor(config: PoolConfig, waitersMax: number) {
    super(config);
    this.#waitersMax = waitersMax;
  }

  override connect(): Promise<PoolClient>;
  override connect(callback: Parameters<Pool['connect']>[0]): void;
  override connect(callback?: Parameters<Pool['connect']>[0]): Promise<PoolClient> | void {
    if (this.waitingCount >= this.#waitersMax) {
      const fault = new Fault('service_unavailable', 'The service is busy. Try again.', {
        internal: `postgres pool: ${this.#waitersMax} callers wait for a connection already`,
        retryAfterMs: 1_000,
      });
      if (callback === undefined) return Promise.reject(fault);
      return callback(fault, undefined, () => undefined);
    }
    return callback === undefined ? super.connect() : super.connect(callback);
  }
}

/**
 * A connection pool. `bigint` columns arrive as `bigint`, in this pool only: the driver's global parsers stay as
 * they are. A broken connection never ends the process, whether somebody was using it or not.
 */
export const createPool = (options: PoolOptions): Pool => {
  const settings = { ...DEFAULTS, ...options };
  const pool = new BoundedPool(
    {
      connectionString: settings.url,
      application_name: settings.applicationName,
      max: settings.connectionsMax,
      connectionTimeoutMillis: settings.connectTimeoutMs,
      idleTimeoutMillis: settings.idleTimeoutMs,
      statement_timeout: settings.statementTimeoutMs,
      query_timeout: settings.statementTimeoutMs + CLIENT_GRACE_MS,
      lock_timeout: settings.lockTimeoutMs,
      idle_in_transaction_session_timeout: settings.idleInTransactionTimeoutMs,
      keepAlive: true,
      types: typesWithBigint,
    },
    settings.waitersMax,
  );
  pool.on('error', (error) => settings.onIdleError?.(error));
  // The pool takes its own listener off while a client is lent out, and an `error` without a listener is fatal. The
  // borrower learns of the failure from its next query.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
};
