import type { Principal } from '@tunan/contracts';
import { databaseFault } from '@tunan/postgres';
import type { Pool } from 'pg';
import { KeyLookup } from '../ports/key-lookup.js';

const FIND = `
SELECT k.account_id, k.id, a.tier, k.models, a.aliases AND k.aliases AS aliases
FROM api_key k JOIN account a ON a.id = k.account_id
WHERE k.digest_hmac = ANY($1::bytea[]) AND k.status = 'active' AND (k.expires_at IS NULL OR k.expires_at > now())
LIMIT 1`;

interface KeyRow {
  readonly account_id: string;
  readonly id: string;
  readonly tier: Principal['tier'];
  readonly models: string[] | null;
  readonly aliases: boolean;
}

/** Customer keys in Postgres. */
export class PostgresKeyLookup extends KeyLookup {
  constructor(private readonly pool: Pool) {
    super();
  }

  override async find(hmacs: readonly Buffer[]): Promise<Principal | null> {
    try {
      const { rows } = await this.pool.query<KeyRow>({ name: 'auth-find-key', text: FIND, values: [hmacs] });
      const [row] = rows;
      if (row === undefined) return null;
      return {
        accountId: row.account_id,
        keyId: row.id,
        tier: row.tier,
        models: row.models,
        aliases: row.aliases,
      };
    } catch (error) {
      throw databaseFault(error);
    }
  }
}
