import { describe, expect, it, jest } from '@jest/globals';
import { TestClock } from '@tunan/kernel/testing';
import { OpenExchanges, type OpenExchange } from './open-exchanges.js';

const anExchange = (): OpenExchange => ({ tick: jest.fn(), interrupt: jest.fn() });

const isPending = (promise: Promise<unknown>): Promise<boolean> =>
  Promise.race([
    promise.then(() => false),
    new Promise<boolean>((resolve) => setImmediate(() => resolve(true))),
  ]);

describe('draining', () => {
  it('has nothing to wait for where nothing runs', async () => {
    await new OpenExchanges(new TestClock()).drain(1_000, 1_000);
  });

  it('waits for what runs, and interrupts nothing that ends in time', async () => {
    const exchanges = new OpenExchanges(new TestClock());
    const exchange = anExchange();
    exchanges.add(exchange);
    const drained = exchanges.drain(1_000, 1_000);
    expect(await isPending(drained)).toBe(true);
    exchanges.delete(exchange);
    await drained;
    expect(exchange.interrupt).not.toHaveBeenCalled();
  });

  // Guarantee: a request between its admission and its exchange holds credit; the process does not leave it behind.
  it('waits for a request that is still being admitted, and for the exchange that it becomes', async () => {
    const exchanges = new OpenExchanges(new TestClock());
    const exchange = anExchange();
    let admitted: () => void = () => undefined;
    const running = exchanges.during(async () => {
      await new Promise<void>((resolve) => (admitted = resolve));
      exchanges.add(exchange);
    });
    const drained = exchanges.drain(1_000, 1_000);
    expect(await isPending(drained)).toBe(true);
    admitted();
    await running;
    expect(await isPending(drained)).toBe(true);
    exchanges.delete(exchange);
    await drained;
  });

  it('interrupts what runs too long and then waits no longer than its grace', async () => {
    const clock = new TestClock();
    const exchanges = new OpenExchanges(clock);
    const exchange = anExchange();
    exchanges.add(exchange);
    const drained = exchanges.drain(1_000, 500);
    clock.advance(1_000);
    expect(await isPending(drained)).toBe(true);
    expect(exchange.interrupt).toHaveBeenCalledTimes(1);
    clock.advance(500);
    await drained;
  });
});
