import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Fault } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import { OperationQueue, type QueueOptions } from './operation-queue.js';
import type { ChannelListener, StoreChannel } from './store-channel.js';
import { StoreHost, type OperationRow, type ResultRow } from './store-host.js';
import { aHold, anAdmission, aPublication, aSettlement } from './testing/builders.js';
import { TEST_LIMITS } from './testing/memory-admission-store.js';
import { MemoryJournal } from './testing/memory-journal.js';

const OPTIONS: QueueOptions = { waitingMax: 3, timeoutMs: { fast: 100, patient: 1_000 } };

/** A host that answers when it is told to. */
class FakeHost {
  readonly batches: OperationRow[][] = [];
  opened = 0;
  refuse = 0;
  closed = 0;
  /** Openings take until this is there. */
  ready: Promise<void> | undefined;
  #listener: ChannelListener | undefined;

  open = (listener: ChannelListener): StoreChannel | Promise<StoreChannel> =>
    this.ready === undefined ? this.#open(listener) : this.ready.then(() => this.#open(listener));

  #open(listener: ChannelListener): StoreChannel {
    this.opened += 1;
    if (this.refuse > 0) {
      this.refuse -= 1;
      throw new Error('not yet');
    }
    this.#listener = listener;
    return {
      generation: `generation ${this.opened}`,
      send: (batch) => void this.batches.push(JSON.parse(batch) as OperationRow[]),
      close: async () => void (this.closed += 1),
    };
  }

  answer(...results: ResultRow[]): void {
    this.#listener!.reply({ results: JSON.stringify(results), operations: results.length, seconds: 0.001 });
  }

  die(): void {
    this.#listener!.death('killed');
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('OperationQueue', () => {
  let host: FakeHost;
  let clock: TestClock;
  let queue: OperationQueue;
  beforeEach(async () => {
    host = new FakeHost();
    clock = new TestClock();
    queue = await OperationQueue.open(host.open, clock, OPTIONS);
  });
  afterEach(() => queue.close());

  const purge = (limit: number, patience: 'fast' | 'patient' = 'fast') =>
    queue.call('purge', [limit], patience);
  const failure = (promise: Promise<unknown>): Promise<Fault> =>
    promise.then(
      () => Promise.reject(new Error('did not fail')),
      (fault: Fault) => fault,
    );

  it('sends the calls of one turn in one message, and matches answers by their order', async () => {
    const calls = [purge(1), purge(2)];
    await turn();
    const later = purge(3);
    await turn();
    expect(host.batches.map((batch) => batch.length)).toEqual([2, 1]);
    host.answer([true, '10'], [false, 'broken'], [true, '30']);
    expect(await calls[0]).toBe(10);
    expect(await failure(calls[1]!)).toMatchObject({
      code: 'service_unavailable',
      message: 'admission store: broken',
    });
    expect(await later).toBe(30);
  });

  it('refuses at once what is more than may wait', async () => {
    const waiting = [purge(1), purge(2), purge(3)];
    expect(await failure(purge(4))).toMatchObject({ code: 'service_unavailable', retryAfterMs: 1_000 });
    await turn();
    host.answer([true, '1'], [true, '2'], [true, '3']);
    expect(await Promise.all(waiting)).toEqual([1, 2, 3]);
    const next = purge(5);
    await turn();
    host.answer([true, '5']);
    expect(await next).toBe(5);
  });

  // Guarantee: with the store stuck a caller has its answer in time, and later answers are still matched.
  it('gives up on an operation at its deadline and keeps the order of the others', async () => {
    const fast = purge(1, 'fast');
    const patient = purge(2, 'patient');
    await turn();
    clock.advance(150);
    expect((await failure(fast)).message).toContain('no answer to purge in time');
    host.answer([true, '1'], [true, '2']);
    expect(await patient).toBe(2);
    const slow = purge(3, 'patient');
    await turn();
    clock.advance(1_100);
    expect((await failure(slow)).code).toBe('service_unavailable');
  });

  // Guarantee: a process that was busy itself does not fail requests that the store has answered in time.
  it('reads the answers that have come in time before it gives up, if it is late itself', async () => {
    const inTime = purge(1, 'fast');
    const never = purge(2, 'fast');
    await turn();
    clock.block(500);
    clock.advance(0);
    host.answer([true, '1']);
    expect(await inTime).toBe(1);
    clock.advance(100);
    expect((await failure(never)).message).toContain('no answer to purge in time');
  });

  // Guarantee: what was given up because the store was stuck is not charged when it goes on, and nobody else fails.
  it('has a settlement refused that the host reaches after its lapse', async () => {
    const store = new StoreHost(clock, TEST_LIMITS, new MemoryJournal());
    store.apply('publish', [[aPublication()], store.generation]);
    const granted = store.apply('admit', [anAdmission()]);
    if (granted.outcome !== 'granted') throw new Error(granted.outcome);
    const { hold } = granted;
    const settlement = aSettlement(hold, { lapsesAtMs: hold.admittedAtMs + 900 });
    const givenUp = queue.call('settle', [settlement], 'fast');
    await turn();
    clock.advance(900);
    expect((await failure(givenUp)).code).toBe('service_unavailable');
    const question = queue.call('settle', [settlement], 'patient');
    const other = queue.call('admit', [anAdmission()], 'patient');
    await turn();
    for (const batch of host.batches) host.answer(...store.run(batch));
    expect(await question).toEqual({ outcome: 'refused' });
    expect(await other).toMatchObject({ outcome: 'granted' });
    expect(store.apply('stats', [])).toMatchObject({ holds: 2, pending: 0, outboxDepth: 0 });
  });

  it('fails what waits when the host dies, and opens it again', async () => {
    const waiting = purge(1);
    await turn();
    host.refuse = 1;
    host.die();
    expect((await failure(waiting)).message).toContain('killed');
    expect((await failure(purge(2))).message).toContain('restarted');
    clock.advance(50);
    await turn();
    expect(host.opened).toBe(2);
    clock.advance(100);
    await turn();
    expect(queue.generation).toBe('generation 3');
    const again = purge(3);
    await turn();
    host.answer([true, '3']);
    expect(await again).toBe(3);
  });

  it('fails a call that cannot be encoded, and only that', async () => {
    const malformed = queue.call('renew', [{ ...aHold(), amount: undefined as never }, 0], 'fast');
    const fine = purge(1);
    await expect(malformed).rejects.toThrow();
    await turn();
    expect(host.batches.map((batch) => batch.length)).toEqual([1]);
    host.answer([true, '1']);
    expect(await fine).toBe(1);
  });

  // Guarantee: no thread, and no lock of the file, is left behind by a stop.
  it('closes a host that is being opened again while it is closed', async () => {
    const opening = Promise.withResolvers<void>();
    host.ready = opening.promise;
    host.die();
    clock.advance(50);
    let closed = false;
    const closing = queue.close().then(() => (closed = true));
    await turn();
    expect(closed).toBe(false);
    opening.resolve();
    await closing;
    expect([host.opened, host.closed]).toEqual([2, 1]);
    expect((await failure(purge(1))).message).toContain('closed');
  });

  it('gives up on a host that can not be opened while it is closed', async () => {
    const opening = Promise.withResolvers<void>();
    host.ready = opening.promise;
    host.die();
    clock.advance(50);
    const closing = queue.close();
    opening.reject(new Error('not yet'));
    await closing;
    clock.advance(60_000);
    expect([host.opened, host.closed]).toEqual([1, 0]);
  });

  it('refuses calls after it was closed, and opens nothing again', async () => {
    await queue.close();
    expect((await failure(purge(1))).message).toContain('closed');
    host.die();
    clock.advance(60_000);
    expect(host.opened).toBe(1);
  });
});
