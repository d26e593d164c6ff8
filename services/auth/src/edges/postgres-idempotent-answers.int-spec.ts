import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { IdempotentRequest } from '@tunan/contracts';
import { TestClock } from '@tunan/kernel/testing';
import { createTestDatabase, type TestDatabase } from '@tunan/postgres/testing';
import { MemoryIdempotentAnswers } from '../testing/memory-idempotent-answers.js';
import type { IdempotentAnswers } from '../ports/idempotent-answers.js';
import { PostgresIdempotentAnswers } from './postgres-idempotent-answers.js';

const LEASE_MS = 60_000;
const DAY_MS = 24 * 3_600_000;
const hash = (letter: string): string => letter.repeat(64);
const first: IdempotentRequest = {
  accountId: 'acc_1',
  keyId: 'key_1',
  idempotencyHash: hash('a'),
  requestId: 'r1',
};
const second: IdempotentRequest = { ...first, requestId: 'r2' };
const sealed = Buffer.alloc(300, 'sealed').toString('base64');
const hasEnded = () => Promise.resolve(false);
const runs = () => Promise.resolve(true);
/** Room for three of them. */
const BYTES_MAX = 1_000;

describe('idempotent answers', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  }, 60_000);
  afterAll(() => database.drop());
  beforeEach(() => database.pool.query('TRUNCATE idempotent_answer, idempotent_bytes'));

  /** Marks, and how time passes for them. */
  type Opened = readonly [answers: IdempotentAnswers, pass: (ms: number) => unknown];

  const inMemory = (): Opened => {
    const clock = new TestClock();
    return [new MemoryIdempotentAnswers(clock, LEASE_MS, BYTES_MAX), (ms) => clock.advance(ms)];
  };
  const inPostgres = (): Opened => [
    new PostgresIdempotentAnswers(database.pool, LEASE_MS, BYTES_MAX),
    async (ms) => {
      for (const [table, ...columns] of [
        ['idempotent_answer', 'lease_ends_at', 'expires_at'],
        ['idempotent_bytes', 'hour'],
      ])
        for (const column of columns)
          await database.pool.query(
            `UPDATE ${table} SET ${column} = ${column} - $1 * interval '1 millisecond'`,
            [ms],
          );
    },
  ];

  describe.each([
    ['in memory', inMemory],
    ['in Postgres', inPostgres],
  ])('%s', (_name, open) => {
    let answers: IdempotentAnswers;
    let pass: Opened[1];
    beforeEach(() => {
      [answers, pass] = open();
    });

    it('give the mark to one of many that begin at once', async () => {
      const begun = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          answers.begin({ ...first, requestId: `r${index}` }, hash('b'), hasEnded),
        ),
      );
      expect(begun.filter(({ outcome }) => outcome === 'begun')).toHaveLength(1);
      expect(begun.filter(({ outcome }) => outcome === 'running')).toHaveLength(19);
    });

    it('keep marks of other keys, and of other idempotency keys, apart', async () => {
      for (const request of [first, { ...first, keyId: 'key_2' }, { ...first, idempotencyHash: hash('c') }])
        expect(await answers.begin(request, hash('b'), hasEnded)).toEqual({ outcome: 'begun' });
    });

    it('say who runs, and tell another request from the same one', async () => {
      await answers.begin(first, hash('b'), hasEnded);
      expect(await answers.begin(second, hash('b'), hasEnded)).toEqual({
        outcome: 'running',
        requestId: 'r1',
      });
      expect(await answers.begin(second, hash('d'), hasEnded)).toEqual({ outcome: 'reused' });
    });

    it.each([true, false])('replay what was answered (settled: %s)', async (settled) => {
      await answers.begin(first, hash('b'), hasEnded);
      await answers.end(first, { kind: 'answered', settled: false, sealed });
      if (settled) await answers.end(first, { kind: 'answered', settled, sealed });
      expect(await answers.begin(second, hash('b'), hasEnded)).toEqual({
        outcome: 'answered',
        requestId: 'r1',
        settled,
        sealed,
      });
    });

    it('say that an answer was not kept', async () => {
      await answers.begin(first, hash('b'), hasEnded);
      await answers.end(first, { kind: 'not-stored' });
      expect(await answers.begin(second, hash('b'), hasEnded)).toEqual({
        outcome: 'not-stored',
        requestId: 'r1',
      });
    });

    // Guarantee: what is kept for an account has a bound; beyond it a retry is refused, and never charged again.
    it('keep no more of an account than its bytes, and again a day later', async () => {
      const keep = async (request: IdempotentRequest) => {
        await answers.begin(request, hash('b'), hasEnded);
        expect(await answers.end(request, { kind: 'answered', settled: false, sealed })).toBe(true);
        const settled = await answers.end(request, { kind: 'answered', settled: true, sealed });
        const { outcome } = await answers.find(request, hash('b'));
        expect(settled).toBe(outcome === 'answered');
        return outcome;
      };
      const numbered = (index: number) => ({ ...first, idempotencyHash: hash(String(index)) });
      for (const index of [1, 2, 3]) expect(await keep(numbered(index))).toBe('answered');
      expect(await keep(numbered(4))).toBe('not-stored');
      expect(await keep({ ...numbered(5), keyId: 'key_2' })).toBe('not-stored');
      expect(await keep({ ...numbered(6), accountId: 'acc_2' })).toBe('answered');
      await pass(DAY_MS + 3_600_000);
      expect(await keep(numbered(7))).toBe('answered');
    });

    it('let a key be used again at once if its request failed', async () => {
      await answers.begin(first, hash('b'), hasEnded);
      await answers.end(first, { kind: 'failed' });
      expect(await answers.begin(second, hash('d'), hasEnded)).toEqual({ outcome: 'begun' });
    });

    // Guarantee: what was neither charged nor kept is not refused for a day as if it had been.
    it.each([{ kind: 'not-stored' }, { kind: 'running' }] as const)(
      'let a key be used again at once if its charge was refused (%j)',
      async (end) => {
        await answers.begin(first, hash('b'), hasEnded);
        await answers.end(first, end);
        expect(await answers.end(second, { kind: 'uncharged' })).toBe(false);
        expect(await answers.end(first, { kind: 'uncharged' })).toBe(true);
        expect(await answers.begin(second, hash('b'), hasEnded)).toEqual({ outcome: 'begun' });
      },
    );

    it('keep an answer whose charge was refused: its replay is charged', async () => {
      await answers.begin(first, hash('b'), hasEnded);
      await answers.end(first, { kind: 'answered', settled: false, sealed });
      expect(await answers.end(first, { kind: 'uncharged' })).toBe(false);
      expect(await answers.begin(second, hash('b'), hasEnded)).toMatchObject({
        outcome: 'answered',
        settled: false,
      });
    });

    it('take nothing of a request whose mark is another’s, and say so', async () => {
      await answers.begin(first, hash('b'), hasEnded);
      for (const end of [
        { kind: 'running' },
        { kind: 'failed' },
        { kind: 'not-stored' },
        { kind: 'answered', settled: false, sealed },
        { kind: 'answered', settled: true, sealed },
      ] as const) {
        expect(await answers.end(second, end)).toBe(false);
        expect(await answers.end({ ...first, idempotencyHash: hash('c') }, end)).toBe(false);
      }
      expect(await answers.begin(second, hash('b'), hasEnded)).toEqual({
        outcome: 'running',
        requestId: 'r1',
      });
      expect(await answers.end(first, { kind: 'answered', settled: false, sealed })).toBe(true);
    });

    // Guarantee: of two requests with one key that both think they run, at most one keeps its answer, and is charged.
    it.each([{ kind: 'answered', settled: false, sealed }, { kind: 'not-stored' }] as const)(
      'let only who holds the mark keep an answer, once the first one’s lease ran out (%j)',
      async (end) => {
        await answers.begin(first, hash('b'), hasEnded);
        await pass(LEASE_MS);
        expect(await answers.begin(second, hash('b'), hasEnded)).toEqual({ outcome: 'begun' });
        expect(await answers.end(first, end)).toBe(false);
        expect(await answers.end(second, end)).toBe(true);
      },
    );

    it('are found without a mark being set', async () => {
      expect(await answers.find(first, hash('b'))).toEqual({ outcome: 'none' });
      expect(await answers.find(second, hash('d'))).toEqual({ outcome: 'none' });
      await answers.begin(first, hash('b'), hasEnded);
      expect(await answers.find(second, hash('b'))).toEqual({ outcome: 'running', requestId: 'r1' });
      expect(await answers.find(second, hash('d'))).toEqual({ outcome: 'reused' });
      await pass(LEASE_MS);
      expect(await answers.find(second, hash('b'))).toEqual({ outcome: 'none' });
      expect(await answers.end(first, { kind: 'running' })).toBe(true);
      expect(await answers.find(second, hash('b'))).toEqual({ outcome: 'running', requestId: 'r1' });
      await answers.end(first, { kind: 'answered', settled: false, sealed });
      const kept = { outcome: 'answered', requestId: 'r1', settled: false, sealed };
      expect(await answers.find(second, hash('b'))).toEqual(kept);
      await pass(DAY_MS);
      expect(await answers.find(second, hash('b'))).toEqual({ outcome: 'none' });
    });

    it('lose a mark with its lease, unless it is renewed', async () => {
      await answers.begin(first, hash('b'), hasEnded);
      await pass(LEASE_MS - 1_000);
      await answers.end(first, { kind: 'running' });
      await pass(LEASE_MS - 1_000);
      expect((await answers.begin(second, hash('b'), hasEnded)).outcome).toBe('running');
      await pass(1_000);
      expect(await answers.begin(second, hash('b'), hasEnded)).toEqual({ outcome: 'begun' });
    });

    // Guarantee: of a request that still runs there is no second one, however late it renews its mark.
    it('keep a mark that was not renewed as long as its request runs', async () => {
      await answers.begin(first, hash('b'), hasEnded);
      await pass(LEASE_MS);
      expect(await answers.begin(second, hash('b'), runs)).toEqual({ outcome: 'running', requestId: 'r1' });
      expect(await answers.begin(second, hash('d'), runs)).toEqual({ outcome: 'reused' });
      await pass(DAY_MS);
      expect(await answers.begin(second, hash('b'), runs)).toEqual({ outcome: 'begun' });
    });

    it.each([
      ['is renewed meanwhile', 'r1'],
      ['is taken by another meanwhile', 'r3'],
    ])('do not give away a mark that %s', async (_what, requestId) => {
      await answers.begin(first, hash('b'), hasEnded);
      await pass(LEASE_MS);
      const asked = async () => {
        if (requestId === 'r1') await answers.end(first, { kind: 'running' });
        else await answers.begin({ ...first, requestId }, hash('b'), hasEnded);
        return false;
      };
      expect(await answers.begin(second, hash('b'), asked)).toEqual({ outcome: 'running', requestId });
    });

    it('give one of many that meet a lapsed mark that mark', async () => {
      await answers.begin(first, hash('b'), hasEnded);
      await pass(LEASE_MS);
      const begun = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          answers.begin({ ...first, requestId: `s${index}` }, hash('b'), hasEnded),
        ),
      );
      expect(begun.filter(({ outcome }) => outcome === 'begun')).toHaveLength(1);
      expect(begun.filter(({ outcome }) => outcome === 'running')).toHaveLength(19);
    });

    it('keep an answer for a day, however long its lease is over, and then purge it', async () => {
      await answers.begin(first, hash('b'), hasEnded);
      await answers.end(first, { kind: 'answered', settled: false, sealed });
      await answers.end(first, { kind: 'answered', settled: true, sealed });
      await pass(DAY_MS - 1_000);
      expect((await answers.begin(second, hash('b'), hasEnded)).outcome).toBe('answered');
      expect(await answers.purge(10)).toBe(0);
      await pass(1_000);
      expect(await answers.begin(second, hash('d'), hasEnded)).toEqual({ outcome: 'begun' });
      await pass(DAY_MS);
      expect(await answers.purge(10)).toBe(1);
    });
  });
});
