import type { AccountProfile } from '@tunan/contracts';
import type { Nano } from '@tunan/kernel';
import { databaseFault, markPublished } from '@tunan/postgres';
import type { Pool } from 'pg';
import type { PendingEvent } from '../domain/operations.js';
import {
  AccountSource,
  type AccountRecord,
  type ConfirmedVersions,
  type OwnLimits,
} from '../ports/account-source.js';

/**
 * One statement is one snapshot: balance, versions, keys and applied events belong together. Amounts inside JSON are
 * text, because a JSON number is a float. The events that are asked about are looked up once, whatever the number of accounts.
 */
const READ = `
WITH applied AS (
  SELECT e.account_id, array_agg(e.event_id) AS event_ids
  FROM unnest($2::text[], $3::text[]) AS asked(account_id, event_id)
  JOIN usage_event e ON e.event_id = asked.event_id AND e.account_id = asked.account_id
  GROUP BY e.account_id)
SELECT a.id, a.email, a.display_name, a.status, a.tier, a.rpm, a.tpm, a.concurrency, a.aliases,
       a.balance_nano, a.spent_nano, a.request_count, a.ledger_version, a.profile_version,
       COALESCE((
         SELECT json_agg(json_build_object(
           'id', k.id, 'name', k.name, 'models', k.models, 'cap', k.cap_nano::text, 'spent', k.spent_nano::text,
           'rpm', k.rpm, 'tpm', k.tpm, 'concurrency', k.concurrency,
           'expiresAtMs', floor(extract(epoch FROM k.expires_at) * 1000)::bigint))
         FROM api_key k WHERE k.account_id = a.id AND k.status = 'active'), '[]'::json) AS keys,
       COALESCE(applied.event_ids, '{}') AS applied
FROM account a LEFT JOIN applied ON applied.account_id = a.id WHERE a.id = ANY($1::text[])`;

interface KeyJson {
  readonly id: string;
  readonly name: string;
  readonly models: string[] | null;
  readonly cap: string | null;
  readonly spent: string;
  readonly rpm: number | null;
  readonly tpm: number | null;
  readonly concurrency: number | null;
  readonly expiresAtMs: number | null;
}

interface AccountRow extends OwnLimits {
  readonly id: string;
  readonly email: string;
  readonly display_name: string;
  readonly status: AccountProfile['status'];
  readonly tier: AccountProfile['tier'];
  readonly aliases: boolean;
  readonly balance_nano: Nano;
  readonly spent_nano: Nano;
  readonly request_count: bigint;
  readonly ledger_version: bigint;
  readonly profile_version: bigint;
  readonly keys: readonly KeyJson[];
  readonly applied: readonly string[];
}

/** Accounts, keys and the ledger's state in Postgres. Reads everything and writes only what the store confirmed. */
export class PostgresAccountSource extends AccountSource {
  constructor(private readonly pool: Pool) {
    super();
  }

  override async read(
    accountIds: readonly string[],
    events: readonly PendingEvent[],
  ): Promise<readonly AccountRecord[]> {
    try {
      const { rows } = await this.pool.query<AccountRow>({
        name: 'auth-read-accounts',
        text: READ,
        values: [accountIds, events.map(({ accountId }) => accountId), events.map(({ eventId }) => eventId)],
      });
      return rows.map(fromRow);
    } catch (error) {
      throw databaseFault(error);
    }
  }

  override async confirm(versions: readonly ConfirmedVersions[]): Promise<void> {
    if (versions.length === 0) return;
    try {
      await markPublished(this.pool, versions);
    } catch (error) {
      throw databaseFault(error);
    }
  }
}

const fromRow = (row: AccountRow): AccountRecord => ({
  accountId: row.id,
  ledger: {
    version: Number(row.ledger_version),
    balance: row.balance_nano,
    spent: row.spent_nano,
    requests: Number(row.request_count),
    spentByKey: Object.fromEntries(row.keys.map(({ id, spent }) => [id, BigInt(spent)])),
  },
  profile: {
    version: Number(row.profile_version),
    status: row.status,
    email: row.email,
    displayName: row.display_name,
    tier: row.tier,
    limits: { rpm: row.rpm, tpm: row.tpm, concurrency: row.concurrency },
    aliases: row.aliases,
    keys: row.keys.map((key) => ({
      keyId: key.id,
      name: key.name,
      status: 'active',
      expiresAtMs: key.expiresAtMs,
      models: key.models,
      cap: key.cap === null ? null : BigInt(key.cap),
      limits: { rpm: key.rpm, tpm: key.tpm, concurrency: key.concurrency },
    })),
  },
  appliedEventIds: row.applied,
});
