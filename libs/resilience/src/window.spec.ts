import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SlidingWindow } from './window.js';

const START = 1_700_000_000_000;

describe('SlidingWindow', () => {
  it('counts an amount until its second is a minute old', () => {
    const window = new SlidingWindow();
    window.add(START + 999, 5);
    expect(window.total(START + 59_999)).toBe(5);
    expect(window.total(START + 60_000)).toBe(0);
  });

  it('tells when one more fits, which is when the oldest second falls out', () => {
    const window = new SlidingWindow();
    window.add(START, 1);
    window.add(START + 10_000, 1);
    expect(window.waitMs(START + 20_500, 2, 1)).toBe(39_500);
    expect(window.waitMs(START + 20_500, 3, 1)).toBe(0);
    expect(window.waitMs(START + 20_500, 2, 2)).toBe(49_500);
  });

  // Guarantee: a request larger than the whole limit is usable, and only alone in its minute.
  it('admits more than the limit only when empty, and is then used up', () => {
    const window = new SlidingWindow();
    expect(window.waitMs(START, 100, 1_000)).toBe(0);
    window.add(START, 1_000);
    expect(window.state(START, 100)).toEqual({ limit: 100, remaining: 0, resetMs: 60_000 });
    expect(window.waitMs(START + 1, 100, 1)).toBe(59_999);
    expect(window.waitMs(START + 1, 100, 1_000)).toBe(59_999);
  });

  it('never lets anything through under a limit of zero', () => {
    expect(new SlidingWindow().waitMs(START, 0, 1)).toBe(Number.POSITIVE_INFINITY);
  });

  it('says that the whole limit is back when the newest amount falls out', () => {
    const window = new SlidingWindow();
    expect(window.state(START, 10)).toEqual({ limit: 10, remaining: 10, resetMs: 0 });
    window.add(START, 1);
    window.add(START + 5_000, 2);
    expect(window.state(START + 6_000, 10)).toEqual({ limit: 10, remaining: 7, resetMs: 59_000 });
  });

  it('corrects the second of the admission while it counts, and leaves the window alone afterwards', () => {
    const window = new SlidingWindow();
    window.add(START, 100);
    window.correct(START + 30_000, START, -40);
    expect(window.total(START + 30_000)).toBe(60);
    window.correct(START + 60_000, START, 1_000);
    expect(window.total(START + 60_000)).toBe(0);
  });

  it('does not go below zero when what is corrected was lost', () => {
    const window = new SlidingWindow();
    window.add(START, 10);
    window.correct(START + 1_000, START + 1_000, -50);
    expect(window.total(START + 1_000)).toBe(10);
  });

  it('takes a time that goes back for the latest one', () => {
    const window = new SlidingWindow();
    window.add(START + 5_000, 1);
    window.add(START, 1);
    expect(window.total(START + 64_999)).toBe(2);
    expect(window.total(START + 65_000)).toBe(0);
  });

  // Guarantee: every answer equals the one computed from the whole history, and a wait that was told is neither too
  // short nor too long.
  it('agrees with a list of everything that was added', () => {
    const step = fc.record({
      pauseMs: fc.oneof(fc.nat(1_500), fc.nat(90_000)),
      amount: fc.nat(50),
      limit: fc.integer({ min: 1, max: 120 }),
      backMs: fc.nat(70_000),
      difference: fc.integer({ min: -60, max: 60 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const window = new SlidingWindow();
        const slots = new Map<number, number>();
        let nowMs = START;
        const total = (atMs: number): number =>
          [...slots].reduce(
            (sum, [second, used]) => (second > Math.floor(atMs / 1000) - 60 ? sum + used : sum),
            0,
          );
        const fits = (atMs: number, limit: number, amount: number): boolean =>
          total(atMs) === 0 || total(atMs) + amount <= limit;
        for (const { pauseMs, amount, limit, backMs, difference } of steps) {
          nowMs += pauseMs;
          const second = Math.floor(nowMs / 1000);
          window.add(nowMs, amount);
          slots.set(second, (slots.get(second) ?? 0) + amount);
          const corrected = Math.floor((nowMs - backMs) / 1000);
          window.correct(nowMs, nowMs - backMs, difference);
          slots.set(corrected, Math.max(0, (slots.get(corrected) ?? 0) + difference));
          expect(window.total(nowMs)).toBe(total(nowMs));
          expect(window.state(nowMs, limit).remaining).toBe(Math.max(0, limit - total(nowMs)));
          const waitMs = window.waitMs(nowMs, limit, amount);
          expect(waitMs).toBeLessThanOrEqual(60_000);
          expect(fits(nowMs + waitMs, limit, amount)).toBe(true);
          if (waitMs > 0) expect(fits(nowMs + waitMs - 1, limit, amount)).toBe(false);
          const { resetMs } = window.state(nowMs, limit);
          expect(total(nowMs + resetMs)).toBe(0);
          if (resetMs > 0) expect(total(nowMs + resetMs - 1)).toBeGreaterThan(0);
        }
      }),
    );
  });
});
