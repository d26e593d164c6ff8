import {
  REPLAY_ACCOUNT_BYTES_MAX,
  type BeginIdempotentReply,
  type FindIdempotentReply,
  type IdempotentEnd,
  type IdempotentRequest,
} from '@tunan/contracts';
import { databaseFault } from '@tunan/postgres';
import type { Pool, QueryResult, QueryResultRow } from 'pg';
import { IdempotentAnswers, type IsRunning } from '../ports/idempotent-answers.js';

/** How long a key stands for its first request. */
const KEPT_HOURS = 24;
/** How long the bytes of an hour count: until the last answer of that hour is a day old. */
const COUNTED_HOURS = KEPT_HOURS + 1;

/** One statement, so that of two requests at the same moment one sets the mark. Times are the server's. */
const BEGIN = `
INSERT INTO idempotent_answer AS a
  (key_id, idempotency_hash, request_hash, request_id, state, lease_ends_at, expires_at)
VALUES ($1, decode($2, 'hex'), decode($3, 'hex'), $4, 'running',
        now() + $5 * interval '1 millisecond', now() + $6 * interval '1 hour')
ON CONFLICT (key_id, idempotency_hash) DO UPDATE
SET request_hash = excluded.request_hash, request_id = excluded.request_id, state = excluded.state, sealed = NULL,
    lease_ends_at = excluded.lease_ends_at, expires_at = excluded.expires_at
WHERE a.expires_at <= now() OR (a.state = 'running' AND a.lease_ends_at <= now() AND a.request_id = $7)
RETURNING request_id`;

const FIND = `
SELECT request_id, request_hash = decode($3, 'hex') AS same, state, encode(sealed, 'base64') AS sealed,
       state = 'running' AND lease_ends_at <= now() AS lapsed
FROM idempotent_answer
WHERE key_id = $1 AND idempotency_hash = decode($2, 'hex') AND expires_at > now()`;

const OWN = `key_id = $1 AND idempotency_hash = decode($2, 'hex') AND request_id = $3`;

const RENEW = `UPDATE idempotent_answer SET lease_ends_at = now() + $4 * interval '1 millisecond' WHERE ${OWN}`;
const DROP = `DELETE FROM idempotent_answer WHERE ${OWN}`;
const DROP_UNKEPT = `${DROP} AND sealed IS NULL`;
const NOT_STORED = `UPDATE idempotent_answer SET state = 'not_stored', sealed = NULL WHERE ${OWN}`;
const SETTLED = `
UPDATE idempotent_answer SET state = 'settled', sealed = decode($4, 'base64') WHERE ${OWN} AND sealed IS NOT NULL`;

/** Keeps an answer if its account has room for it. Answers at the same moment do not see each other's bytes. */
const KEEP = `
WITH answer AS (
  SELECT decode($5, 'base64') AS sealed, $6 >= octet_length(decode($5, 'base64')) + (
    SELECT coalesce(sum(bytes), 0) FROM idempotent_bytes
    WHERE account_id = $4 AND hour > now() - $7 * interval '1 hour') AS fits
), own AS (
  UPDATE idempotent_answer
  SET state = CASE WHEN fits THEN 'unsettled' ELSE 'not_stored' END, sealed = CASE WHEN fits THEN answer.sealed END
  FROM answer WHERE ${OWN}
  RETURNING octet_length(idempotent_answer.sealed) AS bytes
), counted AS (
  INSERT INTO idempotent_bytes AS b (account_id, hour, bytes)
  SELECT $4, date_trunc('hour', now()), bytes FROM own WHERE bytes IS NOT NULL
  ON CONFLICT (account_id, hour) DO UPDATE SET bytes = b.bytes + excluded.bytes
)
SELECT bytes FROM own`;

const PURGE = `
DELETE FROM idempotent_answer WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM idempotent_answer WHERE expires_at <= now() LIMIT $1 FOR UPDATE SKIP LOCKED))`;
const PURGE_BYTES = `
DELETE FROM idempotent_bytes WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM idempotent_bytes WHERE hour <= now() - $2 * interval '1 hour' LIMIT $1 FOR UPDATE SKIP LOCKED))`;

const BEGUN = { outcome: 'begun' } as const;

type Known = Exclude<FindIdempotentReply, { outcome: 'none' }>;

interface FoundRow {
  readonly request_id: string;
  readonly same: boolean;
  readonly state: 'running' | 'unsettled' | 'settled' | 'not_stored';
  readonly sealed: string | null;
  readonly lapsed: boolean;
}

/** Marks and sealed answers in Postgres. What is in them only the customer's key can open. */
export class PostgresIdempotentAnswers extends IdempotentAnswers {
  /**
   * @param leaseMs how long a running request keeps its mark without renewing it
   * @param bytesMax largest sum of what is kept for an account
   */
  constructor(
    private readonly pool: Pool,
    private readonly leaseMs: number,
    private readonly bytesMax = REPLAY_ACCOUNT_BYTES_MAX,
  ) {
    super();
  }

  override async find(request: IdempotentRequest, requestHash: string): Promise<FindIdempotentReply> {
    const row = await this.#find(request, requestHash);
    return row === undefined || row.lapsed ? { outcome: 'none' } : toReply(row);
  }

  override async begin(
    request: IdempotentRequest,
    requestHash: string,
    isRunning: IsRunning,
  ): Promise<BeginIdempotentReply> {
    if (await this.#set(request, requestHash, null)) return BEGUN;
    const row = await this.#find(request, requestHash);
    if (row?.lapsed === true && !(await isRunning(row.request_id))) {
      if (await this.#set(request, requestHash, row.request_id)) return BEGUN;
      // Somebody else took it, or it was renewed.
      const found = await this.find(request, requestHash);
      if (found.outcome !== 'none') return found;
    }
    // The first request has failed between two statements: to its contemporary it was running.
    return row === undefined ? { outcome: 'running', requestId: request.requestId } : toReply(row);
  }

  /** Sets the mark, also over one that has lapsed if it is that of this request. */
  async #set(
    { keyId, idempotencyHash, requestId }: IdempotentRequest,
    requestHash: string,
    lapsedOf: string | null,
  ): Promise<boolean> {
    const set = [keyId, idempotencyHash, requestHash, requestId, this.leaseMs, KEPT_HOURS, lapsedOf];
    const { rows } = await this.#query('begin', BEGIN, set);
    return rows.length > 0;
  }

  async #find(
    { keyId, idempotencyHash }: IdempotentRequest,
    requestHash: string,
  ): Promise<FoundRow | undefined> {
    const { rows } = await this.#query<FoundRow>('find', FIND, [keyId, idempotencyHash, requestHash]);
    return rows[0];
  }

  override async end(request: IdempotentRequest, end: IdempotentEnd): Promise<boolean> {
    const { rowCount } = await this.#change(request, end);
    return rowCount === 1;
  }

  #change(request: IdempotentRequest, end: IdempotentEnd): Promise<QueryResult> {
    const own = [request.keyId, request.idempotencyHash, request.requestId];
    switch (end.kind) {
      case 'running':
        return this.#query('renew', RENEW, [...own, this.leaseMs]);
      case 'failed':
        return this.#query('drop', DROP, own);
      case 'uncharged':
        return this.#query('drop-unkept', DROP_UNKEPT, own);
      case 'not-stored':
        return this.#query('not-stored', NOT_STORED, own);
      case 'answered': {
        if (end.settled) return this.#query('settled', SETTLED, [...own, end.sealed]);
        const bounds = [request.accountId, end.sealed, this.bytesMax, COUNTED_HOURS];
        return this.#query('keep', KEEP, [...own, ...bounds]);
      }
    }
  }

  override async purge(limit: number): Promise<number> {
    const answers = await this.#query('purge', PURGE, [limit]);
    const bytes = await this.#query('purge-bytes', PURGE_BYTES, [limit, COUNTED_HOURS]);
    return Math.max(answers.rowCount ?? 0, bytes.rowCount ?? 0);
  }

  async #query<Row extends QueryResultRow>(
    name: string,
    text: string,
    values: readonly unknown[],
  ): Promise<QueryResult<Row>> {
    try {
      return await this.pool.query<Row>({ name: `auth-idempotent-${name}`, text, values: [...values] });
    } catch (error) {
      throw databaseFault(error);
    }
  }
}

const toReply = ({ request_id: requestId, same, state, sealed }: FoundRow): Known => {
  if (!same) return { outcome: 'reused' };
  switch (state) {
    case 'running':
      return { outcome: 'running', requestId };
    case 'not_stored':
      return { outcome: 'not-stored', requestId };
    default:
      return { outcome: 'answered', requestId, settled: state === 'settled', sealed: unwrapped(sealed!) };
  }
};

/** Postgres breaks base64 into lines. */
const unwrapped = (base64: string): string => base64.replaceAll('\n', '');
