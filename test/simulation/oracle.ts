import type { Price, ReportedUsage, Story } from './request-plan.js';

/*
 * The charging rules, written down once more from what customers are told, and not from the code that is tested: this
 * file imports nothing of ours (a lint rule says so).
 */

/** What a request may have been charged, both ends included. */
export interface ChargeRange {
  readonly least: bigint;
  readonly most: bigint;
}

const exactly = (amount: bigint): ChargeRange => ({ least: amount, most: amount });

const NOTHING = exactly(0n);

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

const usualHold = (story: Story): bigint =>
  holdFor(story, Math.ceil((story.plan.promptLikely * 1_250) / 1_000));

/** Likely prompt and what was delivered. */
const estimate = ({ plan, price }: Story, delivered: number): bigint =>
  costOf(plan.promptLikely * plan.completions, 0, delivered, price);

const isPossible = (usage: ReportedUsage, { plan, ceiling }: Story): boolean => {
  const { prompt, cachedPrompt, completion, reasoning } = usage;
  return (
    [prompt, cachedPrompt, completion, reasoning].every(
      (count) => Number.isSafeInteger(count) && count >= 0,
    ) &&
    cachedPrompt <= prompt &&
    reasoning <= completion &&
    prompt <= plan.promptBound * plan.completions &&
    completion <= ((ceiling ?? 0) + LAST_CHUNK_TOKENS) * plan.completions &&
    prompt + completion <= (CONTEXT_TOKENS + LAST_CHUNK_TOKENS) * plan.completions
  );
};

/**
 * The rule for a known usage: its price; above the hold as far as credit reaches; what cannot be, within the
 * hold.
 */
const chargeForUsage = (usage: ReportedUsage, story: Story): ChargeRange => {
  if (!isPossible(usage, story)) return { least: 0n, most: holdFor(story, story.plan.promptBound) };
  const cost = costOf(usage.prompt, usage.cachedPrompt, usage.completion, story.price);
  const hold = usualHold(story);
  return cost <= hold ? exactly(cost) : { least: hold, most: cost };
};

/** The charge of a request whose gateway lived to settle it. */
const settledCharge = (story: Story): ChargeRange => {
  const { plan, client, providerEnd, reported } = story;
  if (story.ceiling === null || providerEnd === 'refused') return NOTHING;
  if (client.status >= 400) return NOTHING;
  // A unary answer that its client did not wait for is of no use to anybody.
  const served = plan.stream
    ? providerEnd === 'whole' || client.delivered > 0 || story.leftBeforeEnd
    : providerEnd === 'whole' && !story.leftBeforeEnd;
  if (!served) return NOTHING;
  if (reported != null) return chargeForUsage(reported, story);
  return exactly(estimate(story, plan.stream ? client.delivered : story.produced));
};

/**
 * What a request whose gateway died may cost: what a renewal proves that the client had, where one was answered and the
 * store still has its file; else perhaps nothing.
 */
const lostCharges = (story: Story): ChargeRange[] => {
  const proven = story.plan.stream && !story.fileReplaced ? story.proven : 0;
  const told = story.plan.stream
    ? story.renewed.filter((delivered) => delivered > 0 && delivered >= proven)
    : [];
  const estimates = told.map((delivered) => exactly(estimate(story, delivered)));
  return proven > 0 ? estimates : [NOTHING, ...estimates];
};

/**
 * The charges that the rules allow for a request: one exact figure wherever client, provider and gateway know how it
 * ended; several where a process died, or the answer to a settlement was lost, between two steps.
 */
export const allowedCharges = (story: Story): readonly ChargeRange[] => {
  if (story.ceiling === null) return [NOTHING];
  if (story.settle === 'answered' && !story.settlementLost) return [settledCharge(story)];
  const lost = lostCharges(story);
  // A gateway that lives ends what it began.
  if (story.settle === 'none') return story.gatewayDied ? lost : [];
  if (story.chargedAfterError) return lost;
  // The settlement was made in time although every answer to it was lost: whether it was, nobody could be told.
  const asSettled = settledCharge({ ...story, client: { ...story.client, status: 200 } });
  return [...lost, asSettled];
};
