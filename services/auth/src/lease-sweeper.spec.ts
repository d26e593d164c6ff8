import { beforeEach, describe, expect, it } from '@jest/globals';
import { Fault, lostEventId } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import { LeaseSweeper } from './lease-sweeper.js';
import { PriceBook, type ModelTerms } from './ports/price-book.js';
import { ACCOUNT, aProfile, aSettlement, DOLLAR_PRICE, TOKEN } from './store/testing/builders.js';
import { MemoryAdmissionStore } from './store/testing/memory-admission-store.js';
import { grant, heat } from './store/testing/store-harness.js';

class FixedPrices extends PriceBook {
  /** Models whose price can't be read. */
  away: readonly string[] = [];

  override terms(_catalogVersion: number, model: string): ModelTerms {
    if (this.away.includes(model)) throw new Fault('service_unavailable', 'Away.');
    return { price: DOLLAR_PRICE, ceilingDefault: 1_000, contextTokens: 100_000 };
  }
}

describe('LeaseSweeper', () => {
  let clock: TestClock;
  let store: MemoryAdmissionStore;
  let prices: FixedPrices;
  let unpriced: string[];
  let sweeper: LeaseSweeper;
  beforeEach(async () => {
    clock = new TestClock();
    store = new MemoryAdmissionStore(clock);
    prices = new FixedPrices();
    unpriced = [];
    sweeper = newSweeper();
    await heat(store, { profile: aProfile({ limits: { rpm: 10_000, tpm: 1e12, concurrency: 10_000 } }) });
  });
  const newSweeper = () => new LeaseSweeper(store, prices, ({ message }) => unpriced.push(message));
  const events = async () => (await store.readOutbox(0, 1_000)).map(({ event }) => event);

  // Guarantee: a gateway that died costs the customer what renewals prove was delivered, and nothing else.
  it('settles an expired stream for its likely prompt and what was delivered, flagged', async () => {
    const { hold } = await grant(store, { stream: true, completions: 2 });
    await store.renew(hold, 40);
    clock.advance(60_000);
    expect(await sweeper.sweep()).toEqual({ lost: 1, purged: 0 });
    expect(await events()).toMatchObject([
      {
        id: lostEventId(hold.requestId),
        data: { kind: 'lost', outcome: 'lost', cost: 240n * TOKEN, flags: ['estimated'], provider: null },
      },
    ]);
    expect(await store.stats()).toMatchObject({ holds: 0 });
  });

  it('charges nothing for a unary answer, or where no renewal recorded content', async () => {
    const unary = await grant(store, { stream: false });
    await store.renew(unary.hold, 40);
    await grant(store, { stream: true });
    clock.advance(60_000);
    expect((await sweeper.sweep()).lost).toBe(2);
    expect((await events()).map(({ data }) => data.cost)).toEqual([0n, 0n]);
  });

  it('leaves alone what is renewed, and what ends at the last moment', async () => {
    const renewed = await grant(store);
    clock.advance(59_999);
    await store.renew(renewed.hold, 1);
    const ended = await grant(store);
    clock.advance(1);
    await store.settle(aSettlement(ended.hold));
    expect((await sweeper.sweep()).lost).toBe(0);
  });

  it('does no harm beside a second sweeper', async () => {
    await grant(store);
    clock.advance(60_000);
    const reports = await Promise.all([sweeper.sweep(), newSweeper().sweep()]);
    expect(reports.reduce((sum, { lost }) => sum + lost, 0)).toBe(1);
    expect(await events()).toHaveLength(1);
  });

  // Guarantee: a price that can't be read keeps the credit of its own requests, longer, and of nobody else's.
  it('keeps holds whose price it can not read, says so, and meets them again', async () => {
    for (let index = 0; index < 450; index += 1) await grant(store, { model: 'away', ceiling: 1 });
    await grant(store);
    await grant(store, { model: 'away' });
    await grant(store);
    clock.advance(60_000);
    prices.away = ['away'];
    expect((await sweeper.sweep()).lost).toBe(2);
    expect(await store.stats()).toMatchObject({ holds: 451 });
    expect(unpriced).toEqual([expect.stringMatching(/^no price of away in catalog 1: /)]);
    await sweeper.sweep();
    expect(unpriced).toHaveLength(2);
    prices.away = [];
    expect((await sweeper.sweep()).lost).toBe(451);
    expect(unpriced).toHaveLength(2);
  });

  it('says that it could not ask the store', async () => {
    await grant(store);
    clock.advance(60_000);
    store.failNext(1);
    await expect(sweeper.sweep()).rejects.toMatchObject({ code: 'service_unavailable' });
  });

  it('ends any number in one sweep, and forgets what ended long ago', async () => {
    for (let index = 0; index < 450; index += 1) await grant(store, { ceiling: 1 });
    for (let index = 0; index < 450; index += 1) await store.void(`void-${index}`, ACCOUNT, false);
    clock.advance(3_600_000);
    expect(await sweeper.sweep()).toEqual({ lost: 450, purged: 450 });
  });
});
