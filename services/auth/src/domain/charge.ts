import {
  CHUNK_TOKENS_MAX,
  type Hold,
  type ReportedUsage,
  type SettleOutcome,
  type Usage,
  type UsageEvent,
} from '@tunan/contracts';
import { minNano, priceOf, type Nano, type TokenPrice } from '@tunan/kernel';

/**
 * What a person who reads a charge must know. `cost` is `price × usage`, except with
 * - `uncharged`: the client got no answer, or an error; the usage is the provider's bill and our cost;
 * - `clamped`: the provider reported what cannot be: no count, or beyond the prompt's bound, the context window, or the
 *   ceiling and a chunk. The usage is the nearest that can be, and the cost at most the hold;
 * - `overrun`: the real usage cost more than the hold and what account and key had left; the rest is our loss.
 * `estimated`: the provider reported nothing; the usage is our estimate.
 */
export type ChargeFlag = 'estimated' | 'clamped' | 'uncharged' | 'overrun';

/** What bounds a charge that is below `price × usage`. */
export type Means = NonNullable<UsageEvent['data']['means']>;

/** What a request is charged. */
export interface Charge {
  readonly cost: Nano;
  readonly usage: Usage;
  readonly flags: readonly ChargeFlag[];
  /** With `clamped` and `overrun`. */
  readonly means?: Means | undefined;
}

/** What a charge depends on beside the hold: facts of the catalog snapshot that the hold names. */
export interface ChargeTerms {
  readonly price: TokenPrice;
  readonly contextTokens: number;
}

/** How a request ended. */
export interface Ending {
  readonly outcome: SettleOutcome;
  /** What the provider reported; null if it never did. */
  readonly usage: ReportedUsage | null;
  readonly deliveredTokens: number;
  /** False if no provider was reached at all. */
  readonly reached: boolean;
  /** A provider has worked for it, and did not fail by itself. */
  readonly workedFor?: boolean | undefined;
}

const NOTHING: Usage = Object.freeze({ prompt: 0, cachedPrompt: 0, completion: 0, reasoning: 0 });

/** The charging rules for a request whose end is known. The cost may be above the hold: the store decides how far. */
export const charge = (ending: Ending, hold: Hold, terms: ChargeTerms): Charge => {
  const free = isFree(ending, hold);
  if (ending.usage === null) {
    if (free || !ending.reached) return { cost: 0n, usage: NOTHING, flags: [] };
    return estimate(hold, ending.deliveredTokens, terms.price);
  }
  const bounded = bound(ending.usage, hold, terms.contextTokens);
  const clamped = bounded !== ending.usage;
  const flags: ChargeFlag[] = clamped ? ['clamped'] : [];
  if (free) return { cost: 0n, usage: bounded, flags: [...flags, 'uncharged'] };
  const cost = priceOf(bounded, terms.price);
  if (!clamped) return { cost, usage: bounded, flags };
  const means = { hold: hold.amount, reach: null };
  return { cost: minNano(cost, hold.amount), usage: bounded, flags, means };
};

/**
 * Tokens of what a provider did for a request without an answer that anybody pays for: as reported, else the likely prompt
 * and what was delivered. Undefined where there is a charge, or no such work.
 */
export const unpaidTokens = (ending: Ending, hold: Hold, charged: Charge): number | undefined => {
  if (ending.workedFor !== true || !(isFree(ending, hold) || (ending.usage === null && !ending.reached)))
    return undefined;
  if (ending.usage !== null) return charged.usage.prompt + charged.usage.completion;
  return hold.promptLikely * hold.completions + deliveredWithin(hold, ending.deliveredTokens);
};

/** A client that got nothing it can use pays nothing: an error, or a unary answer that did not come whole. */
const isFree = ({ outcome }: Ending, { stream }: Hold): boolean =>
  outcome === 'failed' || (!stream && outcome !== 'completed');

/**
 * The charging rule for a request whose gateway died: nothing for an answer that the client cannot have, else what
 * renewals prove was delivered.
 */
export const chargeLost = (hold: Hold, deliveredTokens: number, price: TokenPrice): Charge =>
  hold.stream && deliveredTokens > 0
    ? estimate(hold, deliveredTokens, price)
    : { cost: 0n, usage: NOTHING, flags: [] };

/** Likely prompt and what was delivered; never more than the hold. */
const estimate = (hold: Hold, deliveredTokens: number, price: TokenPrice): Charge => {
  const completion = deliveredWithin(hold, deliveredTokens);
  const usage = { ...NOTHING, prompt: hold.promptLikely * hold.completions, completion };
  return { cost: minNano(priceOf(usage, price), hold.amount), usage, flags: ['estimated'] };
};

const deliveredWithin = ({ ceiling, completions }: Hold, deliveredTokens: number): number =>
  wholeWithin(deliveredTokens, ceiling * completions);

/** The usage itself if it is possible, else the nearest that is. */
const bound = (usage: ReportedUsage, hold: Hold, contextTokens: number): Usage => {
  const { completions, promptBound, ceiling } = hold;
  const prompt = wholeWithin(usage.prompt, promptBound * completions);
  const room = Math.max(0, (contextTokens + CHUNK_TOKENS_MAX) * completions - prompt);
  const completion = wholeWithin(
    usage.completion,
    Math.min((ceiling + CHUNK_TOKENS_MAX) * completions, room),
  );
  const cachedPrompt = wholeWithin(usage.cachedPrompt, prompt);
  const reasoning = wholeWithin(usage.reasoning, completion);
  const possible =
    usage.impossible !== true &&
    prompt === usage.prompt &&
    completion === usage.completion &&
    cachedPrompt === usage.cachedPrompt &&
    reasoning === usage.reasoning;
  return possible ? usage : { prompt, cachedPrompt, completion, reasoning };
};

/** The nearest whole number from 0 to `most`; 0 for what is no number. */
const wholeWithin = (value: number, most: number): number =>
  typeof value !== 'number' || Number.isNaN(value) ? 0 : Math.trunc(Math.min(Math.max(value, 0), most));
