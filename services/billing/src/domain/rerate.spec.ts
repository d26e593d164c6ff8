import { describe, expect, it } from '@jest/globals';
import { CatalogIndex, type UsageEvent } from '@tunan/contracts';
import { priceOf } from '@tunan/kernel';
import fc from 'fast-check';
import { aCatalogSnapshot } from '../testing/catalog-snapshots.js';
import { usageEventOf } from '../testing/usage-events.js';
import { rerate } from './rerate.js';

const SNAPSHOT = new CatalogIndex(aCatalogSnapshot(1));
const PRICE = { input: 200_000_000n, cachedInput: 20_000_000n, output: 400_000_000n };

const eventWith = (data: Partial<UsageEvent['data']>): UsageEvent => {
  const event = usageEventOf({ accountId: 'acc_1' });
  return { ...event, data: { ...event.data, price: PRICE, ...data } };
};

const check = (data: Partial<UsageEvent['data']>, charged?: bigint) => {
  const event = eventWith(data);
  return rerate(
    { eventId: event.id, accountId: 'acc_1', event, charged: charged ?? event.data.cost },
    SNAPSHOT,
  );
};

const usage = { prompt: 1_000, cachedPrompt: 400, completion: 50, reasoning: 10 };
const COST = priceOf(usage, PRICE);
const OUTCOMES = ['completed', 'aborted', 'cut', 'failed', 'lost'] as const;

describe('rerate', () => {
  it('finds no difference where the ledger took price × usage, whatever the usage', () => {
    const tokens = fc.nat({ max: 10_000_000 });
    fc.assert(
      fc.property(tokens, tokens, tokens, (fresh, cachedPrompt, completion) => {
        const some = { prompt: fresh + cachedPrompt, cachedPrompt, completion, reasoning: 0 };
        const cost = priceOf(some, PRICE);
        expect(check({ usage: some, cost })).toEqual({ rerated: cost, difference: null });
      }),
    );
  });

  it('reports a single nano-dollar in either direction', () => {
    for (const cost of [COST - 1n, COST + 1n])
      expect(check({ usage, cost }).difference).toMatchObject({
        faults: ['cost'],
        charged: cost,
        stated: cost,
        rerated: COST,
      });
  });

  it('reports a ledger that took another amount than the event states', () => {
    expect(check({ usage, cost: COST }, COST + 1n)).toEqual({
      rerated: COST,
      difference: expect.objectContaining({ faults: ['ledger'], charged: COST + 1n, stated: COST }),
    });
  });

  it('reports an event whose price is not that of its snapshot', () => {
    const cost = priceOf(usage, { ...PRICE, output: 1n });
    expect(check({ usage, cost, price: { ...PRICE, output: 1n } }).difference).toMatchObject({
      faults: ['price', 'cost'],
      rerated: COST,
    });
  });

  it('explains what the charging rules lower, and names the flags', () => {
    for (const flag of ['clamped', 'overrun'])
      expect(check({ usage, cost: COST - 7n, flags: [flag] })).toMatchObject({
        rerated: COST - 7n,
        difference: { faults: [], rerated: COST },
      });
  });

  // Guarantee: that nothing is charged follows from how the request ended, not from a flag that says so.
  it.each(OUTCOMES.flatMap((outcome) => [true, false].map((stream) => ({ outcome, stream }))))(
    'charges nothing only where the rules do: $outcome, stream $stream',
    ({ outcome, stream }) => {
      const free = outcome === 'failed' || (outcome !== 'completed' && !stream);
      for (const flags of [[], ['uncharged'], ['clamped', 'uncharged']]) {
        const unpaid = check({ usage, outcome, stream, flags, cost: 0n, means: { hold: COST, reach: null } });
        expect(unpaid).toMatchObject({
          rerated: free ? 0n : COST,
          difference: { faults: free ? [] : ['cost'], charged: 0n, rerated: COST, flags },
        });
        const paid = check({ usage, outcome, stream, flags, cost: COST, means: { hold: COST, reach: null } });
        expect(paid.difference?.faults ?? []).toEqual(free ? ['cost'] : []);
      }
    },
  );

  // Guarantee: what a flag lowered is computed again from what bounded it, not believed.
  it('charges what its means bound, to the nano-dollar', () => {
    const bounded = (flag: string, cost: bigint, reach: bigint | null, hold = COST - 10n) =>
      check({ usage, cost, flags: [flag], means: { hold, reach } });
    expect(bounded('clamped', COST - 10n, null)).toMatchObject({
      rerated: COST - 10n,
      difference: { faults: [] },
    });
    expect(bounded('overrun', COST - 10n, null)).toMatchObject({
      rerated: COST - 10n,
      difference: { faults: [] },
    });
    expect(bounded('overrun', COST - 4n, COST - 4n)).toMatchObject({
      difference: { faults: [], rerated: COST },
    });
    expect(bounded('overrun', COST - 10n, -5n)).toMatchObject({ difference: { faults: [] } });
    expect(bounded('clamped', COST, null, COST + 9n)).toMatchObject({ difference: { faults: [] } });
    for (const difference of [-1n, 1n]) {
      expect(bounded('clamped', COST - 10n + difference, null).difference?.faults).toEqual(['cost']);
      expect(bounded('overrun', COST - 10n + difference, null).difference?.faults).toEqual(['cost']);
      expect(bounded('overrun', COST - 4n + difference, COST - 4n).difference?.faults).toEqual(['cost']);
    }
  });

  // Guarantee: impossible usage comes before a person, also where the clamped usage explains the charge.
  it('always lists a charge for impossible usage', () => {
    expect(check({ usage, cost: COST, flags: ['clamped'] })).toMatchObject({
      rerated: COST,
      difference: { faults: [], charged: COST, rerated: COST, flags: ['clamped'] },
    });
  });

  it('lets no flag explain a charge above price × usage, nor a charge for a failed answer', () => {
    expect(check({ usage, cost: COST + 1n, flags: ['overrun'] }).difference?.faults).toEqual(['cost']);
    expect(check({ usage, cost: 1n, outcome: 'failed' }).difference?.faults).toEqual(['cost']);
    expect(check({ usage, cost: COST - 1n, flags: ['estimated'] }).difference?.faults).toEqual(['cost']);
  });

  it('reports what can not be priced: no snapshot, no such model, no event', () => {
    const event = eventWith({ usage, cost: COST });
    const charge = { eventId: event.id, accountId: 'acc_1', event, charged: COST };
    expect(rerate(charge, undefined)).toMatchObject({ rerated: null, difference: { faults: ['unpriced'] } });
    expect(check({ usage, cost: COST, model: 'gone' }).difference?.faults).toEqual(['unpriced']);
    expect(rerate({ ...charge, event: null }, SNAPSHOT).difference).toMatchObject({
      faults: ['event'],
      charged: COST,
      stated: null,
    });
  });
});
