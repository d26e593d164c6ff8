import { priceOfTokens } from './price-list.js';
import type { ServedCall } from './served-log.js';

/** How one request ended in its client's eyes. */
export interface ClientRecord {
  readonly nonce: string;
  readonly model: string;
  readonly stream: boolean;
  /** Status of the answer, 0 if none came. */
  readonly status: number;
  /** `x-request-id` of the answer, null if none came. */
  readonly requestId: string | null;
  /**
   * `completed`: a whole unary answer, or a stream that ended with `[DONE]`. `error`: an error status. `broken`: an
   * answer that began and came to no good end. `aborted`: the client left.
   */
  readonly ending: 'completed' | 'error' | 'broken' | 'aborted';
  /** The limit of output tokens that was asked for, null without one. */
  readonly outputMax: number | null;
  /** `usage.cost` exactly as it was written, in nano-dollars; null if none was shown. */
  readonly cost: bigint | null;
}

/** What may be charged for a request, in nano-dollars, both ends included, and why. */
export interface Verdict {
  readonly least: bigint;
  readonly most: bigint;
  readonly rule: string;
}

/** Providers that charge a whole answer although its caller has left: their streams are read to the end. */
const BILLS_AFTER_CANCEL = ['qwen', 'minimax'];

/** Whether the client of a stream left and the provider goes on to charge for it. */
const mustBeDrained = ({ ending, stream }: ClientRecord, counting: readonly ServedCall[]): boolean =>
  ending === 'aborted' &&
  stream &&
  counting.length > 0 &&
  counting.every(({ provider }) => BILLS_AFTER_CANCEL.includes(provider));

const exactly = (amount: bigint, rule: string): Verdict => ({ least: amount, most: amount, rule });

/** Where a provider told nothing the charge is an estimate, from 0.7 to 1.1 of what the provider counted. */
const about = (amount: bigint, rule: string): Verdict => ({
  least: (amount * 7n) / 10n,
  most: (amount * 11n) / 10n,
  rule,
});

const union = (one: Verdict, other: Verdict): Verdict => ({
  least: one.least < other.least ? one.least : other.least,
  most: one.most > other.most ? one.most : other.most,
  rule: `${one.rule}, or ${other.rule}`,
});

/** Calls that brought the client something or were given up; not those that failed and were tried again elsewhere. */
const countingCalls = (calls: readonly ServedCall[]): readonly ServedCall[] =>
  calls.filter(({ outcome, sentTokens }) => sentTokens > 0 || !['error', 'cut_by_fault'].includes(outcome));

const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n);

/** Price of what the provider says that it used; null if it did not tell, or told nonsense, for some call. */
const priceOfUsage = (model: string, calls: readonly ServedCall[]): bigint | null => {
  const prices: bigint[] = [];
  for (const { reported } of calls) {
    if (reported === null || reported === 'impossible') return null;
    prices.push(priceOfTokens(model, reported.prompt, reported.output));
  }
  return prices.length === 0 ? null : sum(prices);
};

/**
 * Usage that cannot be costs at most what was held: 1.25 times the prompt, which the platform may have estimated at up to
 * 1.1 times what the provider counted, and the limit of output that was asked for.
 */
const withinHold = ({ model, outputMax }: ClientRecord, calls: readonly ServedCall[]): Verdict => {
  if (outputMax === null) throw new Error('no limit was asked for: the hold is not known');
  const held = calls.map(({ promptTokens }) =>
    priceOfTokens(model, Math.ceil((promptTokens ?? 0) * 1.25 * 1.1), outputMax),
  );
  return { least: 0n, most: sum(held), rule: 'impossible usage is charged from nothing to the hold' };
};

/** Price of the prompts and of the output tokens that the provider handed over. */
const priceOfDelivered = (model: string, calls: readonly ServedCall[]): bigint =>
  sum(calls.map(({ promptTokens, sentTokens }) => priceOfTokens(model, promptTokens ?? 0, sentTokens)));

/**
 * What a request may be charged, by the published rules, from nothing but what its client saw and what the simulator
 * says that it served for it.
 */
export const judge = (record: ClientRecord, calls: readonly ServedCall[]): Verdict => {
  if (record.ending === 'error') return exactly(0n, 'an error status is not charged');
  const counting = countingCalls(calls);
  const real = priceOfUsage(record.model, counting);
  const whole = counting.length > 0 && counting.every(({ outcome }) => outcome === 'completed');
  if (record.ending === 'completed') {
    if (counting.some(({ reported }) => reported === 'impossible')) return withinHold(record, counting);
    if (real !== null) return exactly(real, "a completed answer is the provider's usage");
    return about(priceOfDelivered(record.model, counting), 'a completed answer without usage is estimated');
  }
  if (!record.stream) {
    const nothing = exactly(0n, 'a unary answer that did not arrive is not charged');
    return whole && real !== null ? union(nothing, exactly(real, 'it had just been completed')) : nothing;
  }
  const estimate = about(
    priceOfDelivered(record.model, counting),
    'prompt and what was delivered, estimated',
  );
  if (real === null) return estimate;
  const drained = exactly(real, "a stream read to its end is the provider's usage");
  // What a provider says last may not be read when it fails, or is cancelled in that moment.
  return whole && mustBeDrained(record, counting) ? drained : union(drained, estimate);
};

/**
 * What was not read to its end although it had to be: a stream whose client left, of a provider that charges all of
 * it. Only for answers that end within the 30 s in which they are read on.
 */
export const leftUndrained = (record: ClientRecord, calls: readonly ServedCall[]): readonly ServedCall[] => {
  const counting = countingCalls(calls);
  if (!mustBeDrained(record, counting)) return [];
  return counting.filter(
    ({ outcome, reported, promptTokens, plannedTokens }) =>
      outcome !== 'completed' ||
      reported === null ||
      reported === 'impossible' ||
      reported.prompt !== promptTokens ||
      reported.output !== plannedTokens,
  );
};
