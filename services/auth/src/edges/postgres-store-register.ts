import { databaseFault } from '@tunan/postgres';
import type { Pool } from 'pg';
import { StoreRegister } from '../ports/store-register.js';

/** Who comes first stays; the update that changes nothing has the row returned to everybody. */
const REGISTER = `
INSERT INTO admission_store (generation) VALUES ($1)
ON CONFLICT (only_row) DO UPDATE SET only_row = true
RETURNING generation`;

/** The register in one row of Postgres. */
export class PostgresStoreRegister extends StoreRegister {
  constructor(private readonly pool: Pool) {
    super();
  }

  override async isFirst(generation: string): Promise<boolean> {
    try {
      const { rows } = await this.pool.query<{ generation: string }>(REGISTER, [generation]);
      return rows[0]!.generation === generation;
    } catch (error) {
      throw databaseFault(error);
    }
  }
}
