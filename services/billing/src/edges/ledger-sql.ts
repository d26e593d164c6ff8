/*
 * The statements of the ledger. A delivery is five round trips, whatever its size: BEGIN, lock, record, write, COMMIT.
 * Batches travel as one JSON parameter, which costs the client least.
 */

/**
 * Statements are planned once per connection, perhaps while the partition of a new month is still empty, when reading
 * all of it looks best. Every look-up here is for few rows of many: the planner is told to use indexes, and `OFFSET 0`
 * keeps it from turning look-ups into one join over everything.
 */
export const PLANNER_SETTINGS = { enable_seqscan: 'off' };

/** In id order, as every writer of several accounts locks them. Other columns' foreign keys need not wait. */
export const LOCK_ACCOUNTS = `
SELECT id, tier, balance_nano, promo_nano, spent_nano, request_count, ledger_version
FROM account WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE`;

/**
 * Inserts events, and returns those alone that are not simply new: repeated ones, and those whose request the ledger
 * knows by its other event. The joins see the tables as they were before the insert.
 */
export const RECORD_USAGE = `
WITH input AS MATERIALIZED (
  SELECT ordinal, e ->> 'id' AS event_id, e ->> 'subject' AS account_id, e -> 'data' ->> 'requestId' AS request_id,
         e -> 'data' ->> 'kind' AS kind, (e -> 'data' ->> 'cost')::bigint AS cost_nano,
         (e -> 'data' ->> 'catalogVersion')::bigint AS catalog_version, e AS event
  FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS t (e, ordinal)
), fresh AS (
  INSERT INTO usage_event (event_id, account_id, request_id, kind, cost_nano, catalog_version, event)
  SELECT event_id, account_id, request_id, kind, cost_nano, catalog_version, event FROM input ORDER BY ordinal
  ON CONFLICT (event_id) DO NOTHING
  RETURNING event_id
)
SELECT i.ordinal::int - 1 AS index, fresh.event_id IS NOT NULL AS fresh,
       COALESCE(stored.account_id = i.account_id AND stored.cost_nano = i.cost_nano, false) AS same,
       other.cost_nano AS other_cost_nano, COALESCE(paid.promo_nano, 0) AS other_promo_nano,
       COALESCE(paid.writeoff_nano, 0) AS other_writeoff_nano
FROM input i
LEFT JOIN fresh ON fresh.event_id = i.event_id COLLATE "C"
LEFT JOIN LATERAL (
  SELECT u.account_id, u.cost_nano FROM usage_event u WHERE u.event_id = i.event_id COLLATE "C" OFFSET 0
) stored ON true
LEFT JOIN LATERAL (
  SELECT u.event_id, u.cost_nano FROM usage_event u
  WHERE u.event_id = (i.request_id || CASE i.kind WHEN 'final' THEN ':lost' ELSE ':final' END) COLLATE "C"
    AND u.account_id = i.account_id COLLATE "C" OFFSET 0
) other ON true
LEFT JOIN LATERAL (
  SELECT sum(t.promo_nano)::bigint AS promo_nano,
         (sum(t.amount_nano) FILTER (WHERE t.kind = 'writeoff'))::bigint AS writeoff_nano
  FROM ledger_transfer t WHERE t.event_id = other.event_id
) paid ON other.event_id IS NOT NULL
WHERE fresh.event_id IS NULL OR other.event_id IS NOT NULL`;

export const RECORD_DEAD_LETTERS = `
INSERT INTO usage_dead_letter (event_id, account_id, reason, event)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
ON CONFLICT DO NOTHING`;

export const FIND_TRANSFERS = `
SELECT event_id, part, kind, debit, credit, amount_nano, promo_nano
FROM ledger_transfer WHERE event_id = $1 ORDER BY part`;

/**
 * Writes transfers, accounts, charges per key and per day, and returns the charges of every key with a cap as they are then.
 * The accounts are locked, so absolute values can't overwrite anybody's change.
 */
export const WRITE = `
WITH posted AS (
  INSERT INTO ledger_transfer (event_id, part, kind, debit, credit, amount_nano, promo_nano)
  SELECT event_id, part, kind, debit, credit, amount, promo
  FROM jsonb_to_recordset($1::jsonb)
    AS t (event_id text, part smallint, kind text, debit text, credit text, amount bigint, promo bigint)
), changed AS (
  UPDATE account a
  SET balance_nano = c.balance, promo_nano = c.promo, spent_nano = c.spent, request_count = c.requests,
      ledger_version = c.version, tier = c.tier,
      profile_version = a.profile_version + CASE WHEN a.tier = c.tier THEN 0 ELSE 1 END
  FROM jsonb_to_recordset($2::jsonb)
    AS c (id text, tier text, balance bigint, promo bigint, spent bigint, requests bigint, version bigint)
  WHERE a.id = c.id COLLATE "C"
), spent AS (
  UPDATE api_key k SET spent_nano = k.spent_nano + d.delta
  FROM jsonb_to_recordset($3::jsonb) AS d (id text, account_id text, delta bigint)
  WHERE k.id = d.id COLLATE "C" AND k.account_id = d.account_id COLLATE "C"
  RETURNING k.id, k.account_id, k.spent_nano, k.cap_nano
), days AS (
  INSERT INTO usage_day AS u (account_id, day, key_id, model, cost_nano, request_count)
  SELECT account_id, day, key_id, model, cost, requests
  FROM jsonb_to_recordset($5::jsonb)
    AS d (account_id text, day date, key_id text, model text, cost bigint, requests bigint)
  ON CONFLICT (account_id, day, key_id, model)
  DO UPDATE SET cost_nano = u.cost_nano + excluded.cost_nano, request_count = u.request_count + excluded.request_count
)
SELECT account_id, id, spent_nano FROM spent WHERE cap_nano IS NOT NULL
UNION ALL
SELECT k.account_id, k.id, k.spent_nano FROM api_key k
WHERE k.account_id = ANY($4::text[]) AND k.cap_nano IS NOT NULL
  AND NOT EXISTS (SELECT FROM spent WHERE spent.id = k.id)`;

/** One statement is one snapshot: balance and entries fit each other. One row more than asked for tells of a next page. */
export const ENTRIES = `
SELECT a.balance_nano, t.seq, t.event_id, t.kind, t.amount_nano, t.at
FROM account a
LEFT JOIN LATERAL (
  SELECT seq, event_id, kind, CASE WHEN starts_with(debit, 'customer:') THEN -amount_nano ELSE amount_nano END AS amount_nano,
         to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at
  FROM ledger_transfer
  WHERE ledger_customer(debit, credit) = ('customer:' || a.id) COLLATE "C" AND seq > $2
  ORDER BY seq LIMIT $3
) t ON true
WHERE a.id = $1
ORDER BY t.seq`;

const UNPUBLISHED =
  'published_ledger_version < ledger_version OR published_profile_version < profile_version';

export const FIND_UNPUBLISHED = `SELECT id FROM account WHERE (${UNPUBLISHED}) AND id > $1 ORDER BY id LIMIT $2`;

export const COUNT_UNPUBLISHED = `
SELECT count(*)::int AS count FROM (SELECT FROM account WHERE ${UNPUBLISHED} LIMIT $1) AS found`;
