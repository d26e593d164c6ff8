import type {
  BeginIdempotentReply,
  FindIdempotentReply,
  IdempotentEnd,
  IdempotentRequest,
} from '@tunan/contracts';
import { databaseFault } from '@tunan/postgres';
import type { Pool, QueryResult, QueryResultRow } from 'pg';
import { IdempotentAnswers } from '../ports/idempotent-answers.js';

/** How long a key stands for its first request. */
const KEPT_HOURS = 24;

/** One statement, so that of two requests at the same moment one sets the mark. Times are the server's. */
const BEGIN = `
INSERT INTO idempotent_answer AS a
  (key_id, idempotency_hash, request_hash, request_id, state, lease_ends_at, expires_at)
VALUES ($1, decode($2, 'hex'), decode($3, 'hex'), $4, 'running',
        now() + $5 * interval '1 millisecond', now() + $6 * interval '1 hour')
ON CONFLICT (key_id, idempotency_hash) DO UPDATE
SET request_hash = excluded.request_hash, request_id = excluded.request_id, state = excluded.state, sealed = NULL,
    lease_ends_at = excluded.lease_ends_at, expires_at = excluded.expires_at
WHERE a.expires_at <= now() OR (a.state = 'running' AND a.lease_ends_at <= now())
RETURNING request_id`;

const FIND = `
SELECT request_id, request_hash = decode($3, 'hex') AS same, state, encode(sealed, 'base64') AS sealed
FROM idempotent_answer
WHERE key_id = $1 AND idempotency_hash = decode($2, 'hex')
  AND expires_at > now() AND (state <> 'running' OR lease_ends_at > now())`;

const OWN = `key_id = $1 AND idempotency_hash = decode($2, 'hex') AND request_id = $3`;

const RENEW = `UPDATE idempotent_answer SET lease_ends_at = now() + $4 * interval '1 millisecond' WHERE ${OWN}`;
const DROP = `DELETE FROM idempotent_answer WHERE ${OWN}`;
const DROP_UNKEPT = `${DROP} AND sealed IS NULL`;
const KEEP = `UPDATE idempotent_answer SET state = $4, sealed = decode($5, 'base64') WHERE ${OWN}`;

const PURGE = `
DELETE FROM idempotent_answer WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM idempotent_answer WHERE expires_at <= now() LIMIT $1 FOR UPDATE SKIP LOCKED))`;

type Known = Exclude<FindIdempotentReply, { outcome: 'none' }>;

interface FoundRow {
  readonly request_id: string;
  readonly same: boolean;
  readonly state: 'running' | 'unsettled' | 'settled' | 'not_stored';
  readonly sealed: string | null;
}

/** Marks and sealed answers in Postgres. What is in them only the customer's key can open. */
export class PostgresIdempotentAnswers extends IdempotentAnswers {
  /** @param leaseMs how long a running request keeps its mark without renewing it */
  constructor(
    private readonly pool: Pool,
    private readonly leaseMs: number,
  ) {
    super();
  }

  override async find(
    { keyId, idempotencyHash }: IdempotentRequest,
    requestHash: string,
  ): Promise<FindIdempotentReply> {
    const { rows } = await this.#query<FoundRow>('find', FIND, [keyId, idempotencyHash, requestHash]);
    return rows[0] === undefined ? { outcome: 'none' } : toReply(rows[0]);
  }

  override async begin(request: IdempotentRequest, requestHash: string): Promise<BeginIdempotentReply> {
    const { keyId, idempotencyHash, requestId } = request;
    const set = [keyId, idempotencyHash, requestHash, requestId, this.leaseMs, KEPT_HOURS];
    const { rows: begun } = await this.#query('begin', BEGIN, set);
    if (begun.length > 0) return { outcome: 'begun' };
    const found = await this.find(request, requestHash);
    // The first request has failed between the two statements: to its contemporary it was running.
    return found.outcome === 'none' ? { outcome: 'running', requestId } : found;
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
        return this.#query('keep', KEEP, [...own, 'not_stored', null]);
      case 'answered':
        return this.#query('keep', KEEP, [...own, end.settled ? 'settled' : 'unsettled', end.sealed]);
    }
  }

  override async purge(limit: number): Promise<number> {
    const { rowCount } = await this.#query('purge', PURGE, [limit]);
    return rowCount ?? 0;
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
