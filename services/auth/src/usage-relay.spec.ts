import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { finalEventId } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import { aHold, aSettlement } from './store/testing/builders.js';
import { MemoryAdmissionStore } from './store/testing/memory-admission-store.js';
import { away } from './testing/memory-account-source.js';
import { MemoryUsageSink } from './testing/memory-usage-sink.js';
import { UsageRelay } from './usage-relay.js';

const OPTIONS = {
  batchMax: 3,
  lingerMs: 50,
  idleMs: 1_000,
  backOffMs: { first: 100, most: 1_600 },
  random: () => 1,
};

const turn = async (): Promise<void> => {
  for (let round = 0; round < 3; round += 1) await new Promise((resolve) => setImmediate(resolve));
};

describe('UsageRelay', () => {
  let clock: TestClock;
  let store: MemoryAdmissionStore;
  let sink: MemoryUsageSink;
  let relay: UsageRelay;
  let delivered: number;
  let errors: unknown[];
  beforeEach(() => {
    clock = new TestClock();
    store = new MemoryAdmissionStore(clock);
    sink = new MemoryUsageSink();
    delivered = 0;
    errors = [];
    relay = new UsageRelay(store, sink, clock, {
      ...OPTIONS,
      onDelivered: (events) => (delivered += events),
      onError: (error) => errors.push(error),
    });
  });
  afterEach(() => relay.stop());

  const settle = async (count = 1): Promise<string[]> => {
    const holds = Array.from({ length: count }, () => aHold());
    for (const hold of holds) await store.settle(aSettlement(hold));
    return holds.map(({ requestId }) => finalEventId(requestId));
  };
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await turn();
  };
  const depth = async (): Promise<number> => (await store.stats()).outboxDepth;

  it('delivers what an earlier life left, in order and in batches', async () => {
    const ids = await settle(8);
    relay.start();
    for (let round = 0; round < 3; round += 1) await pass(0);
    expect(sink.deliveries.map((events) => events.length)).toEqual([3, 3, 2]);
    expect(sink.eventIds).toEqual(ids);
    expect(await depth()).toBe(0);
    expect(delivered).toBe(8);
  });

  it('gathers for a moment after it was woken, and delivers together', async () => {
    relay.start();
    await pass(0);
    const first = await settle();
    relay.wake();
    await pass(30);
    const second = await settle();
    relay.wake();
    expect(sink.deliveries).toHaveLength(0);
    await pass(20);
    expect(sink.deliveries).toHaveLength(1);
    expect(sink.eventIds).toEqual([...first, ...second]);
  });

  it('finds what nobody woke it for', async () => {
    relay.start();
    await pass(0);
    const ids = await settle();
    await pass(1_000);
    expect(sink.eventIds).toEqual(ids);
  });

  it('has one delivery under way, and takes what came meanwhile with the next', async () => {
    const gate = Promise.withResolvers<void>();
    const first = await settle();
    sink.before = () => gate.promise;
    relay.start();
    await pass(0);
    const second = await settle();
    relay.wake();
    await pass(5_000);
    expect(sink.deliveries).toHaveLength(0);
    gate.resolve();
    await turn();
    expect(sink.eventIds).toEqual(first);
    await pass(50);
    expect(sink.eventIds).toEqual([...first, ...second]);
  });

  // Guarantee: an event leaves the outbox only after it arrived; a lost answer repeats it.
  it('repeats a delivery whose answer was lost', async () => {
    const ids = await settle(2);
    sink.after = away;
    relay.start();
    await pass(0);
    expect(await depth()).toBe(2);
    sink.after = () => Promise.resolve();
    await pass(100);
    expect(sink.eventIds).toEqual([...ids, ...ids]);
    expect(await depth()).toBe(0);
    expect(errors).toHaveLength(1);
  });

  it('backs off while the sink is away, up to a bound, whoever wakes it', async () => {
    await settle();
    let attempts = 0;
    sink.before = () => {
      attempts += 1;
      return away();
    };
    relay.start();
    await pass(0);
    for (const pauseMs of [100, 200, 400, 800, 1_600, 1_600]) {
      const before = attempts;
      relay.wake();
      await pass(pauseMs - 1);
      expect(attempts).toBe(before);
      await pass(1);
      expect(attempts).toBe(before + 1);
    }
    sink.before = () => Promise.resolve();
    await pass(1_600);
    expect(await depth()).toBe(0);
  });

  it('survives a store that is away', async () => {
    const ids = await settle();
    store.failNext(1);
    relay.start();
    await pass(0);
    await pass(1_000);
    await pass(1_000);
    expect(new Set(sink.eventIds)).toEqual(new Set(ids));
    expect(await depth()).toBe(0);
  });

  it('drains everything before it stops', async () => {
    relay.start();
    await pass(0);
    const ids = await settle(7);
    await relay.drain(1_000);
    await relay.stop();
    expect(sink.eventIds).toEqual(ids);
    await settle();
    await pass(60_000);
    expect(sink.eventIds).toEqual(ids);
  });

  it('gives a drain up at the first failure', async () => {
    await settle(2);
    sink.before = away;
    await relay.drain(60_000);
    expect(errors).toHaveLength(1);
    expect(await depth()).toBe(2);
  });
});
