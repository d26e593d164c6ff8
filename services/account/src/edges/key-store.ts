import { Fault } from '@tunan/kernel';
import { ACTIVE_KEYS_MAX, type ApiKey, type NewApiKey } from '../domain/account.js';
import { changeProfile, noSuchAccount } from './account-store.js';
import type { Database, Queries } from './database.js';

interface KeyRow {
  id: string;
  name: string;
  hint: string;
  status: ApiKey['status'];
  models: string[] | null;
  aliases: boolean;
  cap_nano: bigint | null;
  spent_nano: bigint;
  rpm: number | null;
  tpm: number | null;
  concurrency: number | null;
  expires_at: Date | null;
  created_at: Date;
  revoked_at: Date | null;
}

const COLUMNS = `id, name, hint, status, models, aliases, cap_nano, spent_nano, rpm, tpm, concurrency, expires_at, created_at,
  revoked_at`;

const fromRow = (row: KeyRow): ApiKey => ({
  keyId: row.id,
  name: row.name,
  hint: row.hint,
  status: row.status,
  models: row.models,
  aliases: row.aliases,
  cap: row.cap_nano,
  spent: row.spent_nano,
  limits: { rpm: row.rpm, tpm: row.tpm, concurrency: row.concurrency },
  expiresAt: row.expires_at,
  createdAt: row.created_at,
  revokedAt: row.revoked_at,
});

const noSuchKey = (keyId: string): Fault => new Fault('not_found', `No such key: ${keyId}.`);

/** Stores a key of an account that exists. */
export const insertKey = async (queries: Queries, accountId: string, key: NewApiKey): Promise<void> => {
  const { keyId, name, hint, hmac, pepperVersion, models, aliases, cap, limits, expiresAt } = key;
  await queries.query(
    `INSERT INTO api_key (id, account_id, name, hint, digest_hmac, pepper_version, models, aliases,
       cap_nano, rpm, tpm, concurrency, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
    [
      keyId,
      accountId,
      name,
      hint,
      hmac,
      pepperVersion,
      models === null ? null : JSON.stringify(models),
      aliases,
      cap,
      limits.rpm,
      limits.tpm,
      limits.concurrency,
      expiresAt,
    ],
  );
};

/** A key that has been revoked, now or before. */
export interface RevokedKey {
  readonly accountId: string;
  readonly revokedAt: Date;
}

/** Customer keys in Postgres. */
export class KeyStore {
  constructor(private readonly database: Database) {}

  /** @throws Fault `not_found` without such an account, `invalid_value` if it has as many keys as it may have */
  insert(accountId: string, key: NewApiKey): Promise<void> {
    return this.database.transaction(async (transaction) => {
      await changeProfile(transaction, accountId);
      const [count] = await transaction.query<{ active: bigint }>(
        `SELECT count(*) AS active FROM api_key WHERE account_id = $1 AND status = 'active'`,
        [accountId],
      );
      if (count!.active >= BigInt(ACTIVE_KEYS_MAX))
        throw new Fault(
          'invalid_value',
          `The account has ${ACTIVE_KEYS_MAX} active keys already. Revoke one first.`,
        );
      await insertKey(transaction, accountId, key);
    });
  }

  /**
   * All keys of an account, oldest first.
   * @throws Fault `not_found`
   */
  async list(accountId: string): Promise<readonly ApiKey[]> {
    const rows = await this.database.query<KeyRow>(
      `SELECT ${COLUMNS} FROM api_key WHERE account_id = $1 ORDER BY created_at, id`,
      [accountId],
    );
    if (rows.length === 0) {
      const known = await this.database.query('SELECT 1 FROM account WHERE id = $1', [accountId]);
      if (known.length === 0) throw noSuchAccount(accountId);
    }
    return rows.map(fromRow);
  }

  /**
   * Lets a key use aliases, or not.
   * @throws Fault `not_found`
   */
  setAliases(keyId: string, aliases: boolean): Promise<ApiKey> {
    return this.database.transaction(async (transaction) => {
      const [found] = await transaction.query<{ account_id: string }>(
        'SELECT account_id FROM api_key WHERE id = $1',
        [keyId],
      );
      if (found === undefined) throw noSuchKey(keyId);
      await changeProfile(transaction, found.account_id);
      const [row] = await transaction.query<KeyRow>(
        `UPDATE api_key SET aliases = $2 WHERE id = $1 RETURNING ${COLUMNS}`,
        [keyId, aliases],
      );
      return fromRow(row!);
    });
  }

  /**
   * Revokes a key for good. A key that is revoked already stays as it is.
   * @throws Fault `not_found`
   */
  revoke(keyId: string): Promise<RevokedKey> {
    return this.database.transaction(async (transaction) => {
      const find = async () =>
        (
          await transaction.query<{ account_id: string; revoked_at: Date | null }>(
            'SELECT account_id, revoked_at FROM api_key WHERE id = $1',
            [keyId],
          )
        )[0];
      const found = await find();
      if (found === undefined) throw noSuchKey(keyId);
      const accountId = found.account_id;
      if (found.revoked_at !== null) return { accountId, revokedAt: found.revoked_at };
      // The account first, then its key: everyone who locks both takes this order.
      await changeProfile(transaction, accountId);
      const [revoked] = await transaction.query<{ revoked_at: Date }>(
        `UPDATE api_key SET status = 'revoked', revoked_at = now() WHERE id = $1 AND status = 'active' RETURNING revoked_at`,
        [keyId],
      );
      // Two calls at the same time: the second waited for the first and finds its work done.
      return { accountId, revokedAt: revoked?.revoked_at ?? (await find())!.revoked_at! };
    });
  }
}
