import { describe, expect, it } from '@jest/globals';
import { purgeAnswers } from './purge-answers.js';

describe('purgeAnswers', () => {
  const having = (answers: number, onPurge = (): void => undefined) => ({
    purge: (limit: number): Promise<number> => {
      onPurge();
      const removed = Math.min(limit, answers);
      answers -= removed;
      return Promise.resolve(removed);
    },
  });

  it('removes all that have run out', async () => {
    expect(await purgeAnswers(having(2_500), new AbortController().signal)).toBe(2_500);
    expect(await purgeAnswers(having(0), new AbortController().signal)).toBe(0);
  });

  // Guarantee: a round ends, however many run out meanwhile.
  it('leaves what is too much to the next round', async () => {
    expect(await purgeAnswers(having(Infinity), new AbortController().signal)).toBe(100_000);
  });

  it('ends when it is stopped', async () => {
    const stopping = new AbortController();
    const purging = purgeAnswers(
      having(Infinity, () => stopping.abort()),
      stopping.signal,
    );
    expect(await purging).toBe(1_000);
  });
});
