import { describe, expect, it } from '@jest/globals';
import { TestClock } from '@tunan/kernel/testing';
import { Recurring } from './recurring.js';

/** Lets promises that are settled run their continuations. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('Recurring', () => {
  const create = (task: () => Promise<void>, errors: unknown[] = []) => {
    const clock = new TestClock();
    const recurring = new Recurring(clock, task, {
      intervalMs: 100,
      backOffMaxMs: 500,
      random: () => 0.5,
      onError: (error) => errors.push(error),
    });
    return { clock, recurring };
  };

  it('does the task at once and then after every interval', async () => {
    let runs = 0;
    const { clock, recurring } = create(async () => void (runs += 1));
    recurring.start();
    await settle();
    expect(runs).toBe(1);
    clock.advance(99);
    await settle();
    expect(runs).toBe(1);
    clock.advance(1);
    await settle();
    expect(runs).toBe(2);
    await recurring.stop();
    expect(clock.waiting).toBe(0);
  });

  it('waits twice as long after each failure, up to a bound, and no longer after a success', async () => {
    const errors: unknown[] = [];
    let failing = true;
    const { clock, recurring } = create(async () => {
      if (failing) throw new Error('down');
    }, errors);
    recurring.start();
    await settle();
    for (const [pauseMs, failures] of [
      [200, 2],
      [400, 3],
      [500, 4],
      [500, 5],
    ] as const) {
      clock.advance(pauseMs - 1);
      await settle();
      expect(errors).toHaveLength(failures - 1);
      clock.advance(1);
      await settle();
      expect(errors).toHaveLength(failures);
    }
    failing = false;
    clock.advance(500);
    await settle();
    failing = true;
    clock.advance(100);
    await settle();
    expect(errors).toHaveLength(6);
    await recurring.stop();
  });

  it('never does the task twice at once, and waits for it when it stops', async () => {
    let finish = (): void => undefined;
    let runs = 0;
    const { clock, recurring } = create(() => {
      runs += 1;
      return new Promise((resolve) => (finish = resolve));
    });
    recurring.start();
    clock.advance(1_000);
    await settle();
    expect(runs).toBe(1);
    let stopped = false;
    const stopping = recurring.stop().then(() => (stopped = true));
    await settle();
    expect(stopped).toBe(false);
    finish();
    await stopping;
    clock.advance(1_000);
    await settle();
    expect(runs).toBe(1);
  });
});
