import { describe, expect, it } from '@jest/globals';
import { allowedCharges } from './oracle.js';
import type { AnswerEnd, ClientView, ProviderPlan, RequestPlan, Story } from './request-plan.js';

/** A dollar per million tokens of input, two for output: 1,000 and 2,000 nano-dollars for each. */
const PRICE = { input: 1_000_000_000n, cachedInput: 100_000_000n, output: 2_000_000_000n };

/** When answers end. */
const END_MS = 1_000;

const REPORT = { prompt: 110, cachedPrompt: 10, completion: 40, reasoning: 0 };

const ended =
  (how: AnswerEnd['how']) =>
  (reported: AnswerEnd['reported'] = REPORT): AnswerEnd => ({ atMs: END_MS, how, reported });

const whole = ended('whole');
const failed = ended('failed');

const story = (
  changes: Partial<Story> = {},
  client: Partial<ClientView> = {},
  plan: Partial<RequestPlan> = {},
): Story => ({
  plan: { stream: true, completions: 1, promptLikely: 100, promptBound: 400, ...plan } as RequestPlan & {
    provider: ProviderPlan;
  },
  price: PRICE,
  ceiling: 500,
  produced: 40,
  providerEnd: whole(),
  endedByStoreAtMs: null,
  leaseFromMs: 0,
  settle: 'answered',
  settledAs: [],
  renewed: [],
  proven: 0,
  held: 125_000n + 500n * 2_000n,
  reaches: [],
  gatewayDied: false,
  finalStands: true,
  lostCosts: [],
  chargedAfterError: false,
  client: { status: 200, delivered: 40, complete: true, leftAtMs: null, cost: undefined, ...client },
  ...changes,
});

const exactly = (...amounts: bigint[]) => amounts;

/** 275,000 nano-dollars more than the hold. */
const ABOVE = { prompt: 400, cachedPrompt: 0, completion: 500, reasoning: 0 };

/** 100 × 1,000 + 10 × 100 + 40 × 2,000. */
const REPORTED = 181_000n;
/** 100 × 1,000 + 40 × 2,000. */
const ESTIMATED = 180_000n;

describe('the charging rules', () => {
  it.each([
    ['a whole answer costs what the provider reported', story(), exactly(REPORTED)],
    ['without a report it is estimated', story({ providerEnd: whole(null) }), exactly(ESTIMATED)],
    [
      'zero is zero',
      story({ providerEnd: whole({ prompt: 0, cachedPrompt: 0, completion: 0, reasoning: 0 }) }),
      exactly(0n),
    ],
    ['an error costs nothing', story({}, { status: 502, complete: false }), exactly(0n)],
    ['nor does a provider that refused', story({ providerEnd: ended('refused')(null) }), exactly(0n)],
    ['nor a request that met no provider', story({ ceiling: null }), exactly(0n)],
    [
      'a stream cut after content costs what is known',
      story({ providerEnd: failed() }, { complete: false }),
      exactly(REPORTED),
    ],
    ['or the estimate', story({ providerEnd: failed(null) }, { complete: false }), exactly(ESTIMATED)],
    [
      'a stream cut before content costs nothing',
      story({ providerEnd: failed(null) }, { complete: false, delivered: 0 }),
      exactly(0n),
    ],
    [
      'a client that leaves pays its prompt',
      story({ providerEnd: failed(null) }, { complete: false, delivered: 0, leftAtMs: END_MS }),
      exactly(100_000n),
    ],
    [
      'and what the provider reports that goes on without it',
      story({}, { complete: false, delivered: 0, leftAtMs: 10 }),
      exactly(REPORTED),
    ],
    [
      'a stream that the store has ended costs what was delivered by then',
      story({ endedByStoreAtMs: END_MS - 1 }, { complete: false, delivered: 20 }),
      exactly(140_000n),
    ],
    [
      'but not if it had ended before',
      story({ endedByStoreAtMs: END_MS + 1 }, { complete: false, delivered: 20 }),
      exactly(REPORTED),
    ],
    ['nothing is settled before it has ended', story({ providerEnd: undefined }), []],
    [
      'what cannot be is the nearest that can',
      story({ providerEnd: whole({ prompt: -1, cachedPrompt: 0, completion: 1, reasoning: 0 }) }),
      exactly(2_000n),
    ],
    [
      'and at most the hold',
      story({
        providerEnd: whole({
          prompt: 400,
          cachedPrompt: 0,
          completion: Number.POSITIVE_INFINITY,
          reasoning: 0,
        }),
      }),
      exactly(125_000n + 500n * 2_000n),
    ],
    [
      'above the hold it is as much as account and key have',
      story({ providerEnd: whole(ABOVE), reaches: [1_200_000n] }),
      exactly(1_200_000n),
    ],
    [
      'all of it if they have more',
      story({ providerEnd: whole(ABOVE), reaches: [9_000_000n] }),
      exactly(1_400_000n),
    ],
    [
      'and the hold if they have less, or it is not known',
      story({ providerEnd: whole(ABOVE), reaches: [-5n, null] }),
      exactly(1_125_000n, 1_125_000n),
    ],
    [
      'a gateway that died before settling leaves nothing, or what a renewal proves',
      story({ settle: 'none', gatewayDied: true, renewed: [0, 25] }, { complete: false }),
      [...exactly(0n), ...exactly(150_000n)],
    ],
    [
      'what an answered renewal proves is charged at least',
      story({ settle: 'none', gatewayDied: true, renewed: [10, 25], proven: 25 }, { complete: false }),
      exactly(150_000n),
    ],
    [
      'unless the store lost its file since',
      story({ settle: 'none', gatewayDied: true, renewed: [25], proven: 0 }, { complete: false }),
      [...exactly(0n), ...exactly(150_000n)],
    ],
    [
      'for a unary answer it leaves nothing',
      story({ settle: 'none', gatewayDied: true, renewed: [0] }, { complete: false }, { stream: false }),
      exactly(0n),
    ],
    [
      'nor does a unary answer cost anything whose client did not wait for it',
      story({}, { complete: false, leftAtMs: 10 }, { stream: false }),
      exactly(0n),
    ],
    ['a gateway that lives has to settle', story({ settle: 'none' }), []],
    [
      'a settlement without an answer costs the same if it was made',
      story({ settle: 'sent' }, { complete: false, status: 500 }),
      exactly(REPORTED),
    ],
    [
      'but not after its client was told of an error',
      story({ settle: 'sent', chargedAfterError: true }, { complete: false, status: 500 }),
      exactly(0n),
    ],
    [
      'if it was not made it leaves what a renewal proves',
      story({ settle: 'sent', finalStands: false, renewed: [25], proven: 25 }, { complete: false }),
      exactly(150_000n),
    ],
    ['what was answered has to be there', story({ finalStands: false }), []],
    [
      'unless the store lost its file since, and nothing else proves anything',
      story({ finalStands: false, lostCosts: [REPORTED] }),
      exactly(0n),
    ],
  ])('%s', (_, given, allowed) => {
    expect(allowedCharges(given)).toEqual(allowed);
  });
});
