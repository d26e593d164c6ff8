import { describe, expect, it, jest } from '@jest/globals';
import { TestClock } from '@tunan/kernel/testing';
import { NOWHERE, OpenExchanges, type OpenExchange } from './open-exchanges.js';

const anExchange = (): OpenExchange => ({ place: NOWHERE, tick: jest.fn(), interrupt: jest.fn() });

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

describe('ticking', () => {
  it('reaches every exchange that is open, whichever ended before, and each once', () => {
    const clock = new TestClock();
    const exchanges = new OpenExchanges(clock);
    exchanges.start();
    const all = Array.from({ length: 7 }, anExchange);
    for (const exchange of all) exchanges.add(exchange);
    const ended = new Set([all[0]!, all[3]!, all[6]!]);
    for (const exchange of ended) exchanges.delete(exchange);
    expect(exchanges.size).toBe(4);
    clock.advance(250);
    for (const exchange of all) expect(exchange.tick).toHaveBeenCalledTimes(ended.has(exchange) ? 0 : 1);
  });

  it('is not disturbed by an exchange that ends in its turn', () => {
    const clock = new TestClock();
    const exchanges = new OpenExchanges(clock);
    exchanges.start();
    const all = Array.from({ length: 5 }, anExchange);
    for (const exchange of all) {
      exchanges.add(exchange);
      jest.mocked(exchange.tick).mockImplementation(() => exchanges.delete(exchange));
    }
    clock.advance(250);
    for (const exchange of all) expect(exchange.tick).toHaveBeenCalledTimes(1);
    expect(exchanges.size).toBe(0);
  });

  it('takes no notice of one that has ended already', () => {
    const exchanges = new OpenExchanges(new TestClock());
    const [one, other] = [anExchange(), anExchange()];
    exchanges.add(one);
    exchanges.add(other);
    exchanges.delete(one);
    exchanges.delete(one);
    expect(exchanges.size).toBe(1);
    exchanges.delete(other);
    expect(exchanges.size).toBe(0);
  });
});
