import type { AnswerEnd, Price, ReportedUsage, Story } from './request-plan.js';

/*
 * The charging rules, written down once more from what customers are told, and not from the code that is tested: this
 * file imports nothing of ours (a lint rule says so).
 */

const NOTHING = [0n] as const;

const MILLION = 1_000_000n;

/** Tokens that an answer may pass its ceiling by: the last chunk. */
const LAST_CHUNK_TOKENS = 256;

const CONTEXT_TOKENS = 128_000;

/** Price of so many tokens, rounded half up to a nano-dollar. */
export const costOf = (prompt: number, cachedPrompt: number, completion: number, price: Price): bigint => {
  const exact =
    BigInt(prompt - cachedPrompt) * price.input +
    BigInt(cachedPrompt) * price.cachedInput +
    BigInt(completion) * price.output;
  return (exact + MILLION / 2n) / MILLION;
};

const roundedUp = (exact: bigint): bigint => (exact + MILLION - 1n) / MILLION;

/** Credit that an admission sets aside for so many prompt tokens of each completion. */
const holdFor = ({ plan, price, ceiling }: Story, promptTokens: number): bigint =>
  roundedUp(
    BigInt(plan.completions) * (BigInt(promptTokens) * price.input + BigInt(ceiling ?? 0) * price.output),
  );

/**
 * What may be set aside for a request: its likely prompt and a quarter more, or, where the account's prompts were seen to
 * be longer than estimated, up to their bound.
 */
export const holdRange = (story: Story): { readonly least: bigint; readonly most: bigint } => {
  const least = holdFor(story, Math.ceil((story.plan.promptLikely * 1_250) / 1_000));
  const bound = holdFor(story, story.plan.promptBound);
  return { least, most: bound > least ? bound : least };
};

/** Likely prompt and what was delivered. */
const estimate = ({ plan, price }: Story, delivered: number): bigint =>
  costOf(plan.promptLikely * plan.completions, 0, delivered, price);

/** The nearest count from 0 to `most`; 0 for what is no number. */
const countWithin = (value: number, most: number): number =>
  Number.isNaN(value) ? 0 : Math.trunc(Math.min(Math.max(value, 0), most));

/** The usage that is nearest to what was reported and can be. */
const possibleUsage = (usage: ReportedUsage, { plan, ceiling }: Story): ReportedUsage => {
  const { completions, promptBound } = plan;
  const prompt = countWithin(usage.prompt, promptBound * completions);
  const room = (CONTEXT_TOKENS + LAST_CHUNK_TOKENS) * completions - prompt;
  const output = ((ceiling ?? 0) + LAST_CHUNK_TOKENS) * completions;
  const completion = countWithin(usage.completion, Math.min(room, output));
  return {
    prompt,
    cachedPrompt: countWithin(usage.cachedPrompt, prompt),
    completion,
    reasoning: countWithin(usage.reasoning, completion),
  };
};

const MEMBERS = ['prompt', 'cachedPrompt', 'completion', 'reasoning'] as const;

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/**
 * The rule for a known usage: its price; above the hold as far as account and key reached when it was settled; what cannot
 * be, within the hold. More than one figure only where it was settled more than once, because a store had lost the first.
 */
const chargesForUsage = (usage: ReportedUsage, story: Story): readonly bigint[] => {
  const possible = possibleUsage(usage, story);
  const cost = costOf(possible.prompt, possible.cachedPrompt, possible.completion, story.price);
  const hold = story.held ?? 0n;
  if (MEMBERS.some((member) => !Object.is(possible[member], usage[member]))) return [smaller(cost, hold)];
  if (cost <= hold) return [cost];
  return story.reaches.map((reach) => smaller(cost, reach !== null && reach > hold ? reach : hold));
};

/**
 * How the answer ended as its gateway could know: as its provider ended, unless a renewal told before that the store has
 * ended the request. Undefined: it did not end before its gateway died, so nothing could be settled.
 */
export const endOf = ({ providerEnd, endedByStoreAtMs }: Story): AnswerEnd | undefined => {
  if (endedByStoreAtMs === null || (providerEnd?.atMs ?? Infinity) < endedByStoreAtMs) return providerEnd;
  return { atMs: endedByStoreAtMs, how: 'failed', reported: null };
};

/** The charge of a request that is settled once its answer has ended, and not before. */
export const settledCharges = (story: Story): readonly bigint[] => {
  const { plan, client } = story;
  const end = endOf(story);
  if (end === undefined) return [];
  if (end.how === 'refused' || client.status >= 400) return NOTHING;
  const left = client.leftAtMs !== null && client.leftAtMs <= end.atMs;
  // A unary answer that its client did not wait for is of no use to anybody.
  const served = plan.stream
    ? end.how === 'whole' || client.delivered > 0 || left
    : end.how === 'whole' && !left;
  if (!served) return NOTHING;
  if (end.reported !== null) return chargesForUsage(end.reported, story);
  return [estimate(story, plan.stream ? client.delivered : story.produced)];
};

/**
 * What a request may cost that was not settled: what a renewal proves that the client had, where one was answered and the
 * store has not lost it with its file; else perhaps nothing.
 */
const lostCharges = (story: Story): readonly bigint[] => {
  const proven = story.plan.stream ? story.proven : 0;
  const told = story.plan.stream
    ? story.renewed.filter((delivered) => delivered > 0 && delivered >= proven)
    : [];
  const estimates = told.map((delivered) => estimate(story, delivered));
  return proven > 0 ? estimates : [0n, ...estimates];
};

/**
 * The charges that the rules allow for a request: one exact figure wherever client, provider and gateway know how it
 * ended; several where a process died between two renewals, or the store's file was lost between two settlements.
 */
export const allowedCharges = (story: Story): readonly bigint[] => {
  const { client, settle, finalStands, lostCosts, chargedAfterError } = story;
  if (story.ceiling === null) return NOTHING;
  // A gateway that lives ends what it began.
  if (settle === 'none') return story.gatewayDied ? lostCharges(story) : [];
  // What was answered is there, or was lost with the store's file.
  if (!finalStands) return settle === 'sent' || lostCosts.length > 0 ? lostCharges(story) : [];
  // It was made in time although every answer to it was lost, so that its client was told of an error.
  const unanswered = settle === 'sent' && !chargedAfterError;
  return settledCharges(unanswered ? { ...story, client: { ...client, status: 200 } } : story);
};
