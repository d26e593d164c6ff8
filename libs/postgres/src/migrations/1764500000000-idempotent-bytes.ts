import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How many bytes of answers were kept for an account in an hour: what bounds them needs no look at the answers. */
const BYTES = `
CREATE TABLE idempotent_bytes (
  account_id text COLLATE "C" NOT NULL,
  hour timestamptz NOT NULL,
  bytes bigint NOT NULL CHECK (bytes >= 0),
  PRIMARY KEY (account_id, hour)
)`;

const BY_HOUR = 'CREATE INDEX idempotent_bytes_hour ON idempotent_bytes (hour)';

/** The table of bytes that are kept for replays. */
export class IdempotentBytes1764500000000 implements MigrationInterface {
  readonly name = 'IdempotentBytes1764500000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(BYTES);
    await runner.query(BY_HOUR);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE idempotent_bytes');
  }
}
