import type { AdmitRequest, Hold } from '@tunan/contracts';
import type { Nano, TokenPrice } from '@tunan/kernel';

/** What auth adds to a request before the store decides: the terms of its catalog snapshot. */
export interface HoldTerms {
  readonly price: TokenPrice;
  /** Output ceiling of the model where the client gives none. */
  readonly ceilingDefault: number;
}

/** A request for admission with everything that the decision needs. */
export interface Admission extends AdmitRequest, HoldTerms {}

/** What the price of a hold is found by. */
export type HeldTerms = Pick<Hold, 'catalogVersion' | 'model'>;

/** Whether two holds, or what is known of them, have their price from the same place. */
export const haveOnePrice = (one: HeldTerms, other: HeldTerms): boolean =>
  one.catalogVersion === other.catalogVersion && one.model === other.model;

/** Likely prompt tokens are held with this factor, in thousandths. */
export const PROMPT_PERMILLE = 1_250;

/** A ceiling that is ours to choose is not lowered below this. */
const CEILING_FLOOR = 256;

/** Output tokens of one completion that count against the tokens-per-minute limit at admission, at most. */
const WINDOW_OUTPUT_TOKENS_MAX = 4_096;

const TOKENS_PER_PRICE = 1_000_000n;

/** The figures that the size of a hold depends on. */
export type HoldBasis = Pick<Admission, 'completions' | 'promptLikely' | 'promptBound' | 'price'> & {
  /** Prompt factor observed for the account, in thousandths; {@link PROMPT_PERMILLE} where there is none. */
  readonly promptPermille: number;
};

const heldPromptTokens = ({ promptLikely, promptBound, promptPermille }: HoldBasis): number => {
  const usual = Math.ceil((promptLikely * PROMPT_PERMILLE) / 1000);
  if (promptPermille <= PROMPT_PERMILLE) return usual;
  // An observed factor reaches as far as real usage can, which is the bound.
  return Math.max(usual, Math.min(promptBound, Math.ceil((promptLikely * promptPermille) / 1000)));
};

/** Amount to set aside: prompt with its factor and the whole ceiling, for each completion, rounded up. */
export const holdAmount = (basis: HoldBasis, ceiling: number): Nano => {
  const { price, completions } = basis;
  const each = BigInt(heldPromptTokens(basis)) * price.input + BigInt(ceiling) * price.output;
  return (each * BigInt(completions) + TOKENS_PER_PRICE - 1n) / TOKENS_PER_PRICE;
};

/** The largest ceiling, at most `most`, whose hold is within `budget`; negative if not even the prompt is. */
const ceilingWithin = (basis: HoldBasis, budget: Nano, most: number): number => {
  if (holdAmount(basis, most) <= budget) return most;
  const { price, completions } = basis;
  const each =
    (budget * TOKENS_PER_PRICE) / BigInt(completions) - BigInt(heldPromptTokens(basis)) * price.input;
  return each < 0n || price.output === 0n ? -1 : Number(each / price.output);
};

/**
 * The ceiling to grant. An explicit one is never lowered. Without one it is the model's default, lowered to what
 * `budget` affords, but not under the floor: whether that is affordable is decided by its amount.
 */
export const chooseCeiling = (
  basis: HoldBasis,
  explicit: number | null,
  ceilingDefault: number,
  budget: Nano,
): number =>
  explicit ?? Math.max(Math.min(CEILING_FLOOR, ceilingDefault), ceilingWithin(basis, budget, ceilingDefault));

/** Tokens that an admission counts against the tokens-per-minute limit, before its real usage is known. */
export const windowTokens = (
  request: Pick<Admission, 'completions' | 'promptLikely'>,
  ceiling: number,
): number => request.completions * (request.promptLikely + Math.min(ceiling, WINDOW_OUTPUT_TOKENS_MAX));
