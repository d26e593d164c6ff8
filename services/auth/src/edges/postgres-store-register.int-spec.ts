import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@tunan/postgres/testing';
import { Pool } from 'pg';
import type { StoreRegister } from '../ports/store-register.js';
import { MemoryStoreRegister } from '../testing/memory-store-register.js';
import { PostgresStoreRegister } from './postgres-store-register.js';

describe('the register of admission stores', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  }, 60_000);
  afterAll(() => database.drop());
  beforeEach(() => database.pool.query('TRUNCATE admission_store'));

  const implementations: readonly (readonly [string, () => StoreRegister])[] = [
    ['in memory', () => new MemoryStoreRegister()],
    ['in Postgres', () => new PostgresStoreRegister(database.pool)],
  ];

  it.each(implementations)('%s has one first store, whoever asks how often', async (_name, open) => {
    const register = open();
    const generations = ['a', 'b', 'c', 'd'];
    const ask = () => Promise.all(generations.map((generation) => register.isFirst(generation)));
    const answers = await ask();
    expect(answers.filter((first) => first)).toHaveLength(1);
    expect(await ask()).toEqual(answers);
    expect(await register.isFirst('e')).toBe(false);
  });

  it('fails as an absence of ours without Postgres', async () => {
    const pool = new Pool({ connectionString: database.url });
    await pool.end();
    await expect(new PostgresStoreRegister(pool).isFirst('a')).rejects.toMatchObject({
      code: 'service_unavailable',
    });
  });
});
