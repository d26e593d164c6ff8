import { beforeEach, describe, expect, it } from '@jest/globals';
import { ColdAccounts, type LoadOutcome } from './cold-accounts.js';

describe('ColdAccounts', () => {
  let refreshes: { accountIds: readonly string[]; done: PromiseWithResolvers<ReadonlySet<string>> }[];
  let counted: Map<LoadOutcome, number>;
  let cold: ColdAccounts;
  beforeEach(() => {
    refreshes = [];
    counted = new Map();
    cold = new ColdAccounts(
      {
        refresh: (accountIds) => {
          const done = Promise.withResolvers<ReadonlySet<string>>();
          refreshes.push({ accountIds, done });
          return done.promise;
        },
      },
      (outcome, count) => counted.set(outcome, (counted.get(outcome) ?? 0) + count),
    );
  });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it('shares a load among those who ask for the same account, and a refresh among accounts', async () => {
    const loads = [cold.load('a'), cold.load('b'), cold.load('a')];
    await turn();
    expect(refreshes.map(({ accountIds }) => accountIds)).toEqual([['a', 'b']]);
    refreshes[0]!.done.resolve(new Set(['a']));
    expect(await Promise.all(loads)).toEqual(['loaded', 'missing', 'loaded']);
    expect(Object.fromEntries(counted)).toEqual({ loaded: 1, missing: 1 });
  });

  it('gathers accounts while a refresh is under way', async () => {
    const first = cold.load('a');
    await turn();
    const next = [cold.load('b'), cold.load('c')];
    await turn();
    expect(refreshes).toHaveLength(1);
    refreshes[0]!.done.resolve(new Set(['a']));
    await first;
    await turn();
    expect(refreshes[1]!.accountIds).toEqual(['b', 'c']);
    refreshes[1]!.done.resolve(new Set(['b', 'c']));
    expect(await Promise.all(next)).toEqual(['loaded', 'loaded']);
  });

  it('says nothing about an account whose load failed, and loads it again when asked again', async () => {
    const first = cold.load('a');
    await turn();
    refreshes[0]!.done.reject(new Error('away'));
    expect(await first).toBe('failed');
    const second = cold.load('a');
    await turn();
    refreshes[1]!.done.resolve(new Set(['a']));
    expect(await second).toBe('loaded');
  });

  it('refuses more than may wait', async () => {
    for (let index = 0; index < 1_000; index += 1) void cold.load(`acc_${index}`);
    expect(await cold.load('one too many')).toBe('failed');
    await turn();
    expect(refreshes[0]!.accountIds).toHaveLength(200);
  });
});
