import { describe, expect, it } from '@jest/globals';
import { TestClock } from '@tunan/kernel/testing';
import { Recurring } from './recurring.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('Recurring', () => {
  const setUp = (task: (stopping: AbortSignal) => Promise<void>) => {
    const clock = new TestClock();
    const errors: unknown[] = [];
    const recurring = new Recurring(clock, task, {
      intervalMs: 100,
      backOffMaxMs: 350,
      random: () => 0.5,
      onError: (error) => errors.push(error),
    });
    const pass = async (ms: number): Promise<void> => {
      clock.advance(ms);
      await turn();
    };
    return { clock, errors, recurring, pass };
  };

  it('does its task at once, and again after each pause', async () => {
    let runs = 0;
    const { recurring, pass } = setUp(async () => void (runs += 1));
    recurring.start();
    await turn();
    expect(runs).toBe(1);
    await pass(99);
    expect(runs).toBe(1);
    await pass(1);
    expect(runs).toBe(2);
    await recurring.stop();
    await pass(1_000);
    expect(runs).toBe(2);
  });

  it('pauses longer while it fails, up to a bound, and no longer once it succeeds', async () => {
    let runs = 0;
    let fail = true;
    const { recurring, pass, errors } = setUp(() => {
      runs += 1;
      return fail ? Promise.reject(new Error('no')) : Promise.resolve();
    });
    recurring.start();
    await turn();
    for (const pauseMs of [200, 350, 350]) {
      const before = runs;
      await pass(pauseMs - 1);
      expect(runs).toBe(before);
      await pass(1);
      expect(runs).toBe(before + 1);
    }
    expect(errors).toHaveLength(4);
    fail = false;
    await pass(350);
    const before = runs;
    await pass(100);
    expect(runs).toBe(before + 1);
    await recurring.stop();
  });

  it('tells a task that is under way that it is to end', async () => {
    let told = false;
    const { recurring } = setUp(
      (stopping) =>
        new Promise((resolve) => {
          stopping.addEventListener('abort', () => {
            told = true;
            resolve();
          });
        }),
    );
    recurring.start();
    await turn();
    expect(told).toBe(false);
    await recurring.stop();
    expect(told).toBe(true);
  });

  it('never does its task twice at once, and waits for it when it stops', async () => {
    const gate = Promise.withResolvers<void>();
    let runs = 0;
    const { recurring, pass } = setUp(() => {
      runs += 1;
      return gate.promise;
    });
    recurring.start();
    await pass(10_000);
    expect(runs).toBe(1);
    let stopped = false;
    const stopping = recurring.stop().then(() => (stopped = true));
    await turn();
    expect(stopped).toBe(false);
    gate.resolve();
    await stopping;
    await pass(10_000);
    expect(runs).toBe(1);
  });
});
