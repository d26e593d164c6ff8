import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Requests with an idempotency key, and the sealed answers of those that are done. What a key and a request are is kept
 * as keyed hashes, and an answer under a key that only the customer has.
 */
const ANSWERS = `
CREATE TABLE idempotent_answer (
  key_id text COLLATE "C" NOT NULL,
  idempotency_hash bytea NOT NULL CHECK (octet_length(idempotency_hash) = 32),
  request_hash bytea NOT NULL CHECK (octet_length(request_hash) = 32),
  request_id text COLLATE "C" NOT NULL,
  state text NOT NULL CHECK (state IN ('running', 'unsettled', 'settled', 'not_stored')),
  sealed bytea,
  lease_ends_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (key_id, idempotency_hash),
  CHECK ((sealed IS NOT NULL) = (state IN ('unsettled', 'settled')))
)`;

const BY_EXPIRY = 'CREATE INDEX idempotent_answer_expiry ON idempotent_answer (expires_at)';

/** The table of answers that may be replayed. */
export class IdempotentAnswer1764300000000 implements MigrationInterface {
  readonly name = 'IdempotentAnswer1764300000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(ANSWERS);
    await runner.query(BY_EXPIRY);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE idempotent_answer');
  }
}
