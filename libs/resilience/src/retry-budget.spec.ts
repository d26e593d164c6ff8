import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { TestClock } from '@tunan/kernel/testing';
import { RetryBudget } from './retry-budget.js';

const granted = (budget: RetryBudget, wanted: number): number =>
  Array.from({ length: wanted }, () => budget.tryRetry()).filter(Boolean).length;

describe('RetryBudget', () => {
  it('grants three retries however few requests there are', () => {
    expect(granted(new RetryBudget(new TestClock()), 10)).toBe(3);
  });

  it('grants a fifth of the requests', () => {
    const budget = new RetryBudget(new TestClock());
    for (let request = 0; request < 100; request += 1) budget.request();
    expect(granted(budget, 100)).toBe(20);
  });

  it('grants again when its window has passed', () => {
    const clock = new TestClock();
    const budget = new RetryBudget(clock);
    expect(granted(budget, 10)).toBe(3);
    clock.advance(5_000);
    expect(granted(budget, 10)).toBe(0);
    clock.advance(6_000);
    expect(granted(budget, 10)).toBe(3);
  });

  // Guarantee: retries of any window stay within the share or the minimum, so that they can't become a storm.
  it('never grants more than its share of any window', () => {
    const step = fc.record({ requests: fc.nat(20), retries: fc.nat(20), ms: fc.nat(3_000) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const clock = new TestClock();
        const budget = new RetryBudget(clock);
        const history: { atMs: number; requests: number; retries: number }[] = [];
        for (const { requests, retries, ms } of steps) {
          for (let request = 0; request < requests; request += 1) budget.request();
          history.push({ atMs: clock.nowMs(), requests, retries: granted(budget, retries) });
          // Nine whole slots and the one at hand are what it remembers.
          const recent = history.filter(({ atMs }) => atMs > clock.nowMs() - 9_000);
          const all = history.filter(({ atMs }) => atMs > clock.nowMs() - 10_000);
          const sum = (of: typeof history, key: 'requests' | 'retries') =>
            of.reduce((total, entry) => total + entry[key], 0);
          expect(sum(recent, 'retries')).toBeLessThanOrEqual(
            Math.max(3, 0.2 * sum(all, 'requests') + 20 * 0.2),
          );
          clock.advance(ms);
        }
      }),
    );
  });
});
