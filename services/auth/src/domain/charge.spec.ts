import { describe, expect, it } from '@jest/globals';
import type { ReportedUsage, SettleOutcome, Usage } from '@tunan/contracts';
import fc from 'fast-check';
import { aHold, someUsage } from '../store/testing/builders.js';
import { charge, chargeLost, unpaidTokens, type ChargeTerms, type Ending } from './charge.js';

const TERMS: ChargeTerms = {
  price: { input: 1_000_000n, cachedInput: 100_000n, output: 2_000_000n },
  contextTokens: 100_000,
};
/** Two completions of 100 likely and 1,000 possible prompt tokens, and 500 tokens of output each. */
const HOLD = aHold({
  stream: true,
  completions: 2,
  promptLikely: 100,
  promptBound: 1_000,
  ceiling: 500,
  amount: 2_250n,
});

const ending = (
  outcome: SettleOutcome,
  usage: ReportedUsage | null,
  changes: Partial<Ending> = {},
): Ending => ({
  outcome,
  usage,
  deliveredTokens: 0,
  reached: true,
  ...changes,
});
const NOTHING = someUsage(0, 0);

describe('charge', () => {
  it('of a completed answer is the usage at the price of admission, cached prompt tokens at theirs', () => {
    const usage = { prompt: 300, cachedPrompt: 200, completion: 50, reasoning: 20 };
    expect(charge(ending('completed', usage), HOLD, TERMS)).toEqual({
      cost: 100n + 20n + 100n,
      usage,
      flags: [],
    });
  });

  it.each<SettleOutcome>(['completed', 'aborted', 'cut'])('of %s is the real usage if it came', (outcome) => {
    const usage = someUsage(200, 10);
    expect(charge(ending(outcome, usage, { deliveredTokens: 999 }), HOLD, TERMS)).toEqual({
      cost: 220n,
      usage,
      flags: [],
    });
  });

  it.each<SettleOutcome>(['completed', 'aborted', 'cut'])(
    'of %s without usage is the likely prompt of each completion and what was delivered, flagged',
    (outcome) => {
      expect(charge(ending(outcome, null, { deliveredTokens: 30 }), HOLD, TERMS)).toEqual({
        cost: 200n + 60n,
        usage: someUsage(200, 30),
        flags: ['estimated'],
      });
    },
  );

  it('never estimates more than the ceilings', () => {
    expect(charge(ending('cut', null, { deliveredTokens: 99_999 }), HOLD, TERMS).usage).toEqual(
      someUsage(200, 1_000),
    );
  });

  it('is nothing where no provider was reached', () => {
    expect(charge(ending('aborted', null, { reached: false }), HOLD, TERMS)).toEqual({
      cost: 0n,
      usage: NOTHING,
      flags: [],
    });
  });

  // Guarantee: an answer with an error status is never charged; what it cost us is recorded.
  it('of a failed request is nothing', () => {
    expect(charge(ending('failed', null, { deliveredTokens: 50 }), HOLD, TERMS)).toEqual({
      cost: 0n,
      usage: NOTHING,
      flags: [],
    });
    expect(charge(ending('failed', someUsage(200, 30)), HOLD, TERMS)).toEqual({
      cost: 0n,
      usage: someUsage(200, 30),
      flags: ['uncharged'],
    });
  });

  // Guarantee: half a unary answer is no answer, whoever broke it off.
  it.each<SettleOutcome>(['aborted', 'cut'])('of a unary answer that was %s is nothing', (outcome) => {
    const unary = { ...HOLD, stream: false };
    expect(charge(ending(outcome, null, { deliveredTokens: 50 }), unary, TERMS)).toEqual({
      cost: 0n,
      usage: NOTHING,
      flags: [],
    });
    expect(charge(ending(outcome, someUsage(200, 30)), unary, TERMS)).toEqual({
      cost: 0n,
      usage: someUsage(200, 30),
      flags: ['uncharged'],
    });
    expect(charge(ending('completed', someUsage(200, 30)), unary, TERMS).cost).toBe(260n);
  });

  it('of an explicit zero is zero', () => {
    expect(charge(ending('completed', NOTHING), HOLD, TERMS)).toEqual({
      cost: 0n,
      usage: NOTHING,
      flags: [],
    });
  });

  it('may be above the hold where the usage is possible', () => {
    const usage = someUsage(2_000, 1_000 + 2 * 256);
    expect(charge(ending('completed', usage), HOLD, TERMS)).toEqual({ cost: 5_024n, usage, flags: [] });
  });

  describe('of what cannot be', () => {
    const reported = (changes: Partial<Record<keyof Usage, unknown>>): Usage =>
      ({ ...someUsage(200, 100), ...changes }) as Usage;

    it.each<[string, Usage, Usage]>([
      ['a negative prompt', reported({ prompt: -5 }), someUsage(0, 100)],
      ['a NaN', reported({ completion: Number.NaN }), someUsage(200, 0)],
      ['an infinite completion', reported({ completion: Number.POSITIVE_INFINITY }), someUsage(200, 1_512)],
      ['half a token', reported({ prompt: 200.5 }), someUsage(200, 100)],
      ['text', reported({ prompt: '200' }), someUsage(0, 100)],
      ['a missing figure', reported({ completion: undefined }), someUsage(200, 0)],
      ['a prompt above its bound', reported({ prompt: 2_001 }), someUsage(2_000, 100)],
      ['more output than a ceiling and a chunk', reported({ completion: 1_513 }), someUsage(200, 1_512)],
      [
        'more cached than there is',
        reported({ cachedPrompt: 201 }),
        { ...someUsage(200, 100), cachedPrompt: 200 },
      ],
      [
        'more reasoning than output',
        reported({ reasoning: 101 }),
        { ...someUsage(200, 100), reasoning: 100 },
      ],
    ])('brings %s into bounds, flagged, within the hold', (_name, usage, bounded) => {
      const result = charge(ending('completed', usage), HOLD, TERMS);
      expect(result).toMatchObject({ usage: bounded, flags: ['clamped'] });
      expect(result.cost).toBeLessThanOrEqual(HOLD.amount);
    });

    it('is known where the connector has brought the figures into bounds', () => {
      const marked = { ...someUsage(200, 100), impossible: true } as const;
      const means = { hold: HOLD.amount, reach: null };
      const flagged = { cost: 400n, usage: someUsage(200, 100), flags: ['clamped'], means };
      expect(charge(ending('completed', marked), HOLD, TERMS)).toEqual(flagged);
      const dear = { ...someUsage(2_000, 1_512), impossible: true } as const;
      expect(charge(ending('completed', dear), HOLD, TERMS)).toEqual({
        cost: HOLD.amount,
        usage: someUsage(2_000, 1_512),
        flags: ['clamped'],
        means,
      });
    });

    it('knows the context window', () => {
      const small = { ...TERMS, contextTokens: 100 };
      expect(charge(ending('completed', someUsage(200, 600)), HOLD, small)).toMatchObject({
        usage: someUsage(200, 512),
        flags: ['clamped'],
      });
    });

    it('is not charged either where the request failed', () => {
      expect(charge(ending('failed', reported({ prompt: -1 })), HOLD, TERMS)).toMatchObject({
        cost: 0n,
        flags: ['clamped', 'uncharged'],
      });
    });
  });

  // Guarantee: whatever a provider reports, nobody is ever paid and usage stays within its bounds.
  it('is never negative, and never more than the bounds allow', () => {
    const anything = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(undefined, null, '7', Number.NaN));
    fc.assert(
      fc.property(
        fc.record({ prompt: anything, cachedPrompt: anything, completion: anything, reasoning: anything }),
        fc.constantFrom<SettleOutcome>('completed', 'failed', 'aborted', 'cut'),
        (usage, outcome) => {
          const result = charge(ending(outcome, usage as Usage), HOLD, TERMS);
          expect(result.cost).toBeGreaterThanOrEqual(0n);
          expect(result.cost).toBeLessThanOrEqual(5_024n);
          if (result.flags.includes('clamped')) expect(result.cost).toBeLessThanOrEqual(HOLD.amount);
          for (const count of Object.values(result.usage))
            expect(Number.isSafeInteger(count) && count >= 0).toBe(true);
          expect(result.usage.cachedPrompt).toBeLessThanOrEqual(result.usage.prompt);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('unpaidTokens', () => {
  const unpaid = (one: Ending, hold = HOLD) => unpaidTokens(one, hold, charge(one, hold, TERMS));
  const workedFor = true;
  const unary = { ...HOLD, stream: false };

  it('are the likely prompt and what was delivered, where nothing was reported', () => {
    expect(unpaid(ending('failed', null, { workedFor, reached: false }))).toBe(200);
    expect(unpaid(ending('aborted', null, { workedFor, deliveredTokens: 50 }), unary)).toBe(250);
    expect(unpaid(ending('aborted', null, { workedFor, reached: false }))).toBe(200);
    expect(unpaid(ending('failed', null, { workedFor, deliveredTokens: 99_999 }))).toBe(1_200);
  });

  it('are what was reported, within bounds', () => {
    expect(unpaid(ending('aborted', someUsage(300, 30), { workedFor }), unary)).toBe(330);
    expect(unpaid(ending('failed', someUsage(1e9, 0), { workedFor }))).toBe(2_000);
  });

  it('are none where the provider failed or was not asked, and where there is a charge', () => {
    expect(unpaid(ending('failed', null))).toBeUndefined();
    expect(unpaid(ending('failed', someUsage(300, 30), { workedFor: false }))).toBeUndefined();
    expect(unpaid(ending('aborted', null, { workedFor }))).toBeUndefined();
    expect(unpaid(ending('completed', NOTHING, { workedFor }))).toBeUndefined();
  });
});

describe('chargeLost', () => {
  it('is nothing for a unary answer, and where no renewal recorded content', () => {
    for (const [stream, delivered] of [
      [false, 50],
      [true, 0],
    ] as const)
      expect(chargeLost({ ...HOLD, stream }, delivered, TERMS.price)).toEqual({
        cost: 0n,
        usage: NOTHING,
        flags: [],
      });
  });

  it('is the likely prompt and what renewals prove, flagged', () => {
    expect(chargeLost({ ...HOLD, stream: true }, 30, TERMS.price)).toEqual({
      cost: 260n,
      usage: someUsage(200, 30),
      flags: ['estimated'],
    });
  });
});
