import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { migrate, revertLast } from './migrate.js';
import { MIGRATIONS } from './migrations/index.js';
import { createTestDatabase, type TestDatabase } from './testing/index.js';

class AddNote1999999999999 implements MigrationInterface {
  readonly name = 'AddNote1999999999999';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE note (id int)');
  }
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE note');
  }
}

class Broken1999999999999 implements MigrationInterface {
  readonly name = 'Broken1999999999999';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE half_done (id int)');
    await runner.query('SELECT 1 / 0');
  }
  async down(): Promise<void> {
    throw new Error('never applied');
  }
}

const KNOWN = MIGRATIONS.map((Migration) => new Migration().name);

describe('migrate', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await createTestDatabase();
  });
  afterEach(() => database.drop());

  const tables = async (): Promise<string[]> => {
    const { rows } = await database.pool.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
       UNION ALL SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace ORDER BY 1`,
    );
    return rows.map((row) => row.name);
  };

  it('does nothing to a database that is up to date', async () => {
    expect(await migrate(database.url)).toEqual([]);
  });

  it('takes everything back and applies it again', async () => {
    const before = await tables();
    for (const name of [...KNOWN].reverse()) {
      await revertLast(database.url);
      const { rows } = await database.pool.query('SELECT 1 FROM schema_migration WHERE name = $1', [name]);
      expect(rows).toEqual([]);
    }
    expect(await tables()).toEqual(['schema_migration']);
    expect(await migrate(database.url)).toEqual(KNOWN);
    expect(await tables()).toEqual(before);
  });

  // Guarantee: replicas that start together migrate once.
  it('lets processes that start at the same time take turns', async () => {
    const migrations = [...MIGRATIONS, AddNote1999999999999];
    const applied = await Promise.all([1, 2, 3].map(() => migrate(database.url, { migrations })));
    expect(applied.flat()).toEqual(['AddNote1999999999999']);
  });

  it('refuses a database that a newer build has migrated, and says so', async () => {
    await migrate(database.url, { migrations: [...MIGRATIONS, AddNote1999999999999] });
    await expect(migrate(database.url)).rejects.toThrow(
      `the database is newer than this build: it has AddNote1999999999999, this build ends with ${KNOWN.at(-1)}`,
    );
  });

  it('leaves nothing of a migration that failed, and the lock free', async () => {
    const before = await tables();
    await expect(migrate(database.url, { migrations: [...MIGRATIONS, Broken1999999999999] })).rejects.toThrow(
      'division by zero',
    );
    expect(await tables()).toEqual(before);
    expect(
      await migrate(database.url, {
        migrations: [...MIGRATIONS, AddNote1999999999999],
        lockTimeoutMs: 1_000,
      }),
    ).toEqual(['AddNote1999999999999']);
  });

  it('does not wait for the lock for ever', async () => {
    const holder = await database.pool.connect();
    await holder.query('SELECT pg_advisory_lock(8391734845418726248)');
    await expect(migrate(database.url, { lockTimeoutMs: 50 })).rejects.toMatchObject({ code: '55P03' });
    holder.release(true);
  });
});
