import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Charges by day, key and model, written in the ledger's own transactions: what usage over time is read from. */
const USAGE_DAY = `
CREATE TABLE usage_day (
  account_id text COLLATE "C" NOT NULL,
  day date NOT NULL,
  key_id text COLLATE "C" NOT NULL,
  model text COLLATE "C" NOT NULL,
  cost_nano bigint NOT NULL,
  request_count bigint NOT NULL,
  PRIMARY KEY (account_id, day, key_id, model)
)`;

/**
 * The days of what the ledger holds already. Per request its final event counts if there is one, else its lost one; the
 * day is that of the request id, a UUIDv7 whose first 12 hex digits are milliseconds.
 */
const BACKFILL = `
INSERT INTO usage_day (account_id, day, key_id, model, cost_nano, request_count)
SELECT account_id, day, key_id, model, sum(cost_nano), count(*)
FROM (
  SELECT account_id, event -> 'data' ->> 'keyId' AS key_id, event -> 'data' ->> 'model' AS model, cost_nano,
         (CASE WHEN request_id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'
           THEN to_timestamp(('x' || lpad(left(replace(request_id, '-', ''), 12), 16, '0'))::bit(64)::bigint / 1000.0)
           ELSE received_at END AT TIME ZONE 'UTC')::date AS day
  FROM usage_event u
  WHERE (cost_nano > 0 OR event -> 'data' ->> 'outcome' = 'completed')
    AND (kind = 'final' OR NOT EXISTS (SELECT FROM usage_event f WHERE f.event_id = u.request_id || ':final'))
) AS effective
GROUP BY account_id, day, key_id, model`;

/** The table of usage by day. */
export class UsageByDay1764200000000 implements MigrationInterface {
  readonly name = 'UsageByDay1764200000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(USAGE_DAY);
    await runner.query(BACKFILL);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE usage_day');
  }
}
