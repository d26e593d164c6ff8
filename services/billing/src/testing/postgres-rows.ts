import { createHash, randomBytes } from 'node:crypto';
import type { Pool } from 'pg';

/** Inserts an account as the account service would, and its keys. */
export const insertAccount = async (
  pool: Pool,
  accountId: string,
  keys: readonly { keyId: string; capped: boolean }[] = [],
): Promise<void> => {
  await pool.query(`INSERT INTO account (id, email, status) VALUES ($1, $1 || '@example.com', 'active')`, [
    accountId,
  ]);
  for (const { keyId, capped } of keys)
    await pool.query(
      'INSERT INTO api_key (id, account_id, digest_hmac, pepper_version, cap_nano) VALUES ($1, $2, $3, 1, $4)',
      [keyId, accountId, createHash('sha256').update(randomBytes(16)).digest(), capped ? 1_000_000 : null],
    );
};
