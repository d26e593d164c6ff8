import type { MigrationInterface, QueryRunner } from 'typeorm';

/*
 * Ids are compared byte by byte (COLLATE "C"), whatever the database's own collation is: partition bounds are
 * prefixes of ids, and most language collations ignore hyphens.
 */

const ACCOUNTS = `
CREATE TABLE account (
  id text COLLATE "C" PRIMARY KEY,
  email text NOT NULL UNIQUE CHECK (length(email) <= 320),
  display_name text NOT NULL DEFAULT '' CHECK (length(display_name) <= 128),
  status text NOT NULL CHECK (status IN ('active', 'suspended', 'unverified')),
  tier text NOT NULL DEFAULT 'free' CHECK (tier IN ('free', 'paid')),
  rpm int CHECK (rpm >= 0),
  tpm int CHECK (tpm >= 0),
  concurrency int CHECK (concurrency >= 0),
  aliases boolean NOT NULL DEFAULT true,
  opening_credit_nano bigint NOT NULL DEFAULT 0 CHECK (opening_credit_nano >= 0),
  opened_at timestamptz,
  balance_nano bigint NOT NULL DEFAULT 0,
  promo_nano bigint NOT NULL DEFAULT 0,
  spent_nano bigint NOT NULL DEFAULT 0 CHECK (spent_nano >= 0),
  request_count bigint NOT NULL DEFAULT 0 CHECK (request_count >= 0),
  ledger_version bigint NOT NULL DEFAULT 1 CHECK (ledger_version >= 0),
  profile_version bigint NOT NULL DEFAULT 1 CHECK (profile_version >= 0),
  published_ledger_version bigint NOT NULL DEFAULT 0,
  published_profile_version bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT account_promo_is_part_of_balance CHECK (promo_nano BETWEEN 0 AND greatest(balance_nano, 0))
)`;

const API_KEYS = `
CREATE TABLE api_key (
  id text COLLATE "C" PRIMARY KEY,
  account_id text COLLATE "C" NOT NULL REFERENCES account (id),
  name text NOT NULL DEFAULT '' CHECK (length(name) <= 128),
  digest_hmac bytea NOT NULL UNIQUE CHECK (octet_length(digest_hmac) = 32),
  pepper_version int NOT NULL,
  hint text NOT NULL DEFAULT '',
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'revoked')),
  models jsonb CHECK (jsonb_typeof(models) = 'array'),
  cap_nano bigint CHECK (cap_nano >= 0),
  rpm int CHECK (rpm >= 0),
  tpm int CHECK (tpm >= 0),
  concurrency int CHECK (concurrency >= 0),
  spent_nano bigint NOT NULL DEFAULT 0,
  expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz
)`;

const LEDGER = `
CREATE TABLE ledger_transfer (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id text COLLATE "C" NOT NULL,
  part smallint NOT NULL CHECK (part >= 0),
  kind text NOT NULL CHECK (
    kind IN ('grant', 'topup', 'bonus', 'charge', 'correction', 'writeoff', 'refund', 'adjustment')
  ),
  debit text COLLATE "C" NOT NULL,
  credit text COLLATE "C" NOT NULL,
  amount_nano bigint NOT NULL CHECK (amount_nano > 0),
  promo_nano bigint NOT NULL DEFAULT 0,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (event_id, part),
  CONSTRAINT ledger_transfer_promo_is_part_of_amount CHECK (promo_nano BETWEEN 0 AND amount_nano),
  CONSTRAINT ledger_transfer_sides CHECK (
    (debit LIKE 'customer:_%' AND credit IN ('revenue', 'promotions', 'clearing', 'refunds', 'writeoff'))
    OR (credit LIKE 'customer:_%' AND debit IN ('revenue', 'promotions', 'clearing', 'refunds', 'writeoff'))
  )
)`;

/** The customer's side of a transfer: one index then serves both directions. */
const LEDGER_CUSTOMER = `
CREATE FUNCTION ledger_customer(debit text, credit text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN starts_with(debit, 'customer:') THEN debit ELSE credit END`;

const APPEND_ONLY = `
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$`;

const USAGE = `
CREATE TABLE usage_event (
  event_id text COLLATE "C" PRIMARY KEY,
  account_id text COLLATE "C" NOT NULL,
  request_id text COLLATE "C" NOT NULL,
  kind text NOT NULL CHECK (kind IN ('final', 'lost')),
  cost_nano bigint NOT NULL CHECK (cost_nano >= 0),
  catalog_version bigint NOT NULL,
  event jsonb NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (event_id)`;

/** Events that could not be applied, as text: what is wrong with one may be that it is no valid JSON for Postgres. */
const DEAD_LETTERS = `
CREATE TABLE usage_dead_letter (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id text,
  account_id text,
  reason text NOT NULL,
  event text NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now()
)`;

/*
 * A UUIDv7 starts with its time in milliseconds as 12 hex digits, so a month of events is a range of ids. A new
 * partition is built aside and attached: that takes no lock that a running insert or query would wait for, except on
 * the default partition, where nothing belongs while months are made in time. Rows that did arrive there are moved.
 */
const PARTITIONS = `
CREATE FUNCTION usage_partition_bound(month timestamp) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN overlay(lpad(to_hex((extract(epoch FROM month) * 1000)::bigint), 12, '0') PLACING '-' FROM 9 FOR 0)`;

const ENSURE_PARTITIONS = `
CREATE FUNCTION ensure_usage_partitions(months_ahead int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  -- Last month too: events may arrive late.
  month timestamp := date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month';
  last_month timestamp := date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => months_ahead);
  partition_name text;
  lower_bound text;
  upper_bound text;
  created int := 0;
BEGIN
  IF months_ahead NOT BETWEEN 0 AND 120 THEN
    RAISE EXCEPTION 'months_ahead must be between 0 and 120, not %', months_ahead;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('tunan ensure_usage_partitions', 0));
  WHILE month <= last_month LOOP
    partition_name := 'usage_event_' || to_char(month, 'YYYY_MM');
    lower_bound := usage_partition_bound(month);
    month := month + interval '1 month';
    upper_bound := usage_partition_bound(month);
    IF to_regclass(partition_name) IS NULL THEN
      EXECUTE format('CREATE TABLE %I (LIKE usage_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition_name);
      EXECUTE format(
        'WITH moved AS (DELETE FROM usage_event_default WHERE event_id >= %L AND event_id < %L RETURNING *)
         INSERT INTO %I SELECT * FROM moved', lower_bound, upper_bound, partition_name);
      EXECUTE format('ALTER TABLE usage_event ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        partition_name, lower_bound, upper_bound);
      created := created + 1;
    END IF;
  END LOOP;
  RETURN created;
END $$`;

const CATALOG = `
CREATE TABLE catalog_snapshot (
  version bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  body jsonb NOT NULL,
  note text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now()
)`;

const CATALOG_ACTIVE = `
CREATE TABLE catalog_active (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  version bigint NOT NULL REFERENCES catalog_snapshot (version)
)`;

const UP = [
  ACCOUNTS,
  // Accounts whose news the admission store has not confirmed: the repair loop's whole working set.
  `CREATE INDEX account_unpublished ON account (id)
   WHERE published_ledger_version < ledger_version OR published_profile_version < profile_version`,
  API_KEYS,
  'CREATE INDEX api_key_account ON api_key (account_id)',
  LEDGER,
  LEDGER_CUSTOMER,
  'CREATE INDEX ledger_transfer_customer ON ledger_transfer (ledger_customer(debit, credit), seq)',
  APPEND_ONLY,
  `CREATE TRIGGER ledger_transfer_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transfer
   FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`,
  USAGE,
  'CREATE INDEX usage_event_account ON usage_event (account_id, event_id)',
  'CREATE TABLE usage_event_default PARTITION OF usage_event DEFAULT',
  DEAD_LETTERS,
  // A poisonous event is delivered again and again; it is kept once.
  'CREATE UNIQUE INDEX usage_dead_letter_event ON usage_dead_letter (md5(event), reason)',
  PARTITIONS,
  ENSURE_PARTITIONS,
  'SELECT ensure_usage_partitions(2)',
  CATALOG,
  CATALOG_ACTIVE,
];

const DOWN = [
  'DROP TABLE catalog_active',
  'DROP TABLE catalog_snapshot',
  'DROP FUNCTION ensure_usage_partitions(int)',
  'DROP TABLE usage_dead_letter',
  'DROP TABLE usage_event',
  'DROP FUNCTION usage_partition_bound(timestamp)',
  'DROP TABLE ledger_transfer',
  'DROP FUNCTION refuse_change()',
  'DROP FUNCTION ledger_customer(text, text)',
  'DROP TABLE api_key',
  'DROP TABLE account',
];

/** Accounts, keys, the ledger, usage events and the catalog. */
export class InitialSchema1764000000000 implements MigrationInterface {
  readonly name = 'InitialSchema1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}
