import type { Principal } from '@tunan/contracts';
import { databaseFault } from '@tunan/postgres';
import type { Pool } from 'pg';
import { KeyLookup } from '../ports/key-lookup.js';

const FIND = `
SELECT k.digest_hmac, k.account_id, k.id, a.tier, a.concurrency, k.models, a.aliases AND k.aliases AS aliases
FROM api_key k JOIN account a ON a.id = k.account_id
WHERE k.digest_hmac = ANY($1::bytea[]) AND k.status = 'active' AND (k.expires_at IS NULL OR k.expires_at > now())`;

interface KeyRow {
  readonly digest_hmac: Buffer;
  readonly account_id: string;
  readonly id: string;
  readonly tier: Principal['tier'];
  readonly concurrency: number | null;
  readonly models: string[] | null;
  readonly aliases: boolean;
}

/** Customer keys in Postgres. */
export class PostgresKeyLookup extends KeyLookup {
  constructor(private readonly pool: Pool) {
    super();
  }

  override async find(keys: readonly (readonly Buffer[])[]): Promise<readonly (Principal | null)[]> {
    try {
      const statement = { name: 'auth-find-keys', text: FIND, values: [keys.flat()] };
      const { rows } = await this.pool.query<KeyRow>(statement);
      const found = new Map(rows.map((row) => [textOf(row.digest_hmac), principalOf(row)]));
      return keys.map(
        (hmacs) => hmacs.map((hmac) => found.get(textOf(hmac))).find((one) => one !== undefined) ?? null,
      );
    } catch (error) {
      throw databaseFault(error);
    }
  }
}

const textOf = (hmac: Buffer): string => hmac.toString('latin1');

const principalOf = (row: KeyRow): Principal => ({
  accountId: row.account_id,
  keyId: row.id,
  tier: row.tier,
  models: row.models,
  aliases: row.aliases,
  ...(row.concurrency === null ? {} : { concurrency: row.concurrency }),
});
