import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { IdempotentRequest } from '@tunan/contracts';
import { createTestDatabase, type TestDatabase } from '@tunan/postgres/testing';
import { MemoryIdempotentAnswers } from '../testing/memory-idempotent-answers.js';
import type { IdempotentAnswers } from '../ports/idempotent-answers.js';
import { PostgresIdempotentAnswers } from './postgres-idempotent-answers.js';

const LEASE_MS = 60_000;
const hash = (letter: string): string => letter.repeat(64);
const first: IdempotentRequest = { keyId: 'key_1', idempotencyHash: hash('a'), requestId: 'r1' };
const second: IdempotentRequest = { ...first, requestId: 'r2' };
const sealed = Buffer.alloc(300, 'sealed').toString('base64');

describe('idempotent answers', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  }, 60_000);
  afterAll(() => database.drop());
  beforeEach(() => database.pool.query('TRUNCATE idempotent_answer'));

  const implementations: readonly (readonly [string, () => IdempotentAnswers])[] = [
    ['in memory', () => new MemoryIdempotentAnswers()],
    ['in Postgres', () => new PostgresIdempotentAnswers(database.pool, LEASE_MS)],
  ];

  describe.each(implementations)('%s', (_name, open) => {
    let answers: IdempotentAnswers;
    beforeEach(() => {
      answers = open();
    });

    it('give the mark to one of many that begin at once', async () => {
      const begun = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          answers.begin({ ...first, requestId: `r${index}` }, hash('b')),
        ),
      );
      expect(begun.filter(({ outcome }) => outcome === 'begun')).toHaveLength(1);
      expect(begun.filter(({ outcome }) => outcome === 'running')).toHaveLength(19);
    });

    it('keep marks of other keys, and of other idempotency keys, apart', async () => {
      for (const request of [first, { ...first, keyId: 'key_2' }, { ...first, idempotencyHash: hash('c') }])
        expect(await answers.begin(request, hash('b'))).toEqual({ outcome: 'begun' });
    });

    it('say who runs, and tell another request from the same one', async () => {
      await answers.begin(first, hash('b'));
      expect(await answers.begin(second, hash('b'))).toEqual({ outcome: 'running', requestId: 'r1' });
      expect(await answers.begin(second, hash('d'))).toEqual({ outcome: 'reused' });
    });

    it.each([true, false])('replay what was answered (settled: %s)', async (settled) => {
      await answers.begin(first, hash('b'));
      await answers.end(first, { kind: 'answered', settled, sealed });
      expect(await answers.begin(second, hash('b'))).toEqual({
        outcome: 'answered',
        requestId: 'r1',
        settled,
        sealed,
      });
    });

    it('say that an answer was not kept', async () => {
      await answers.begin(first, hash('b'));
      await answers.end(first, { kind: 'not-stored' });
      expect(await answers.begin(second, hash('b'))).toEqual({ outcome: 'not-stored', requestId: 'r1' });
    });

    it('let a key be used again at once if its request failed', async () => {
      await answers.begin(first, hash('b'));
      await answers.end(first, { kind: 'failed' });
      expect(await answers.begin(second, hash('d'))).toEqual({ outcome: 'begun' });
    });

    it('take nothing of a request whose mark is another’s', async () => {
      await answers.begin(first, hash('b'));
      for (const end of [
        { kind: 'failed' },
        { kind: 'not-stored' },
        { kind: 'answered', settled: true, sealed },
      ] as const)
        await answers.end(second, end);
      expect(await answers.begin(second, hash('b'))).toEqual({ outcome: 'running', requestId: 'r1' });
    });
  });

  it('in Postgres lose a mark with its lease, and an answer after a day', async () => {
    const answers = new PostgresIdempotentAnswers(database.pool, LEASE_MS);
    const age = (column: string) =>
      database.pool.query(`UPDATE idempotent_answer SET ${column} = now() - interval '1 second'`);
    await answers.begin(first, hash('b'));
    await age('lease_ends_at');
    await answers.end(first, { kind: 'running' });
    expect((await answers.begin(second, hash('b'))).outcome).toBe('running');
    await age('lease_ends_at');
    expect(await answers.begin(second, hash('b'))).toEqual({ outcome: 'begun' });
    await answers.end(second, { kind: 'answered', settled: true, sealed });
    await age('lease_ends_at');
    expect((await answers.begin(first, hash('b'))).outcome).toBe('answered');
    expect(await answers.purge(10)).toBe(0);
    await age('expires_at');
    expect(await answers.begin(first, hash('d'))).toEqual({ outcome: 'begun' });
    await age('expires_at');
    expect(await answers.purge(10)).toBe(1);
  });
});
