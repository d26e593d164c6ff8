/** An amount of money in nano-dollars (10⁻⁹ USD). Money is integers everywhere; no float touches it. */
export type Nano = bigint;

/** Nano-dollars per US dollar. */
export const NANO_PER_USD = 1_000_000_000n;

/** Nano-dollars in one unit of the public `quota` figure: 500,000 units are one dollar (seed: "1,000,000 units = $2"). */
export const NANO_PER_QUOTA_UNIT = 2_000n;

/** Tokens that a price is quoted for. */
const TOKENS_PER_PRICE = 1_000_000n;

const USD = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?$/;

/**
 * Reads a decimal amount of US dollars with at most nine places, exactly.
 * @throws RangeError if the text is anything else (exponents, more places, blanks).
 */
export const parseUsd = (text: string): Nano => {
  const match = USD.exec(text);
  if (match === null) throw new RangeError(`not an amount in dollars with at most nine decimals: ${text}`);
  const [, sign, whole = '0', fraction = ''] = match;
  const nano = BigInt(whole) * NANO_PER_USD + BigInt(fraction.padEnd(9, '0'));
  return sign === '-' ? -nano : nano;
};

/**
 * Dollars as a plain decimal with at least one and at most nine places, never an integer or an exponent: some
 * clients add costs of several answers and fail on mixed number types.
 */
export const formatUsd = (nano: Nano): string => {
  const sign = nano < 0n ? '-' : '';
  const absolute = nano < 0n ? -nano : nano;
  const fraction = (absolute % NANO_PER_USD)
    .toString()
    .padStart(9, '0')
    .replace(/0{1,8}$/, '');
  return `${sign}${absolute / NANO_PER_USD}.${fraction}`;
};

/** What is left, in quota units, rounded down: it never shows more than there is. */
export const quotaLeft = (nano: Nano): bigint => {
  const units = nano / NANO_PER_QUOTA_UNIT;
  return nano < 0n && nano % NANO_PER_QUOTA_UNIT !== 0n ? units - 1n : units;
};

/** What was used, in quota units, rounded up. */
export const quotaUsed = (nano: Nano): bigint => (nano + NANO_PER_QUOTA_UNIT - 1n) / NANO_PER_QUOTA_UNIT;

/** A price per kind of token, each in nano-dollars per million tokens. */
export interface TokenPrice {
  readonly input: Nano;
  readonly cachedInput: Nano;
  readonly output: Nano;
}

/** Token counts that a price applies to. `prompt` includes `cachedPrompt`. All are integers ≥ 0. */
export interface BillableTokens {
  readonly prompt: number;
  readonly cachedPrompt: number;
  readonly completion: number;
}

/** Price of the tokens, rounded once, half up, to whole nano-dollars. */
export const priceOf = (tokens: BillableTokens, price: TokenPrice): Nano => {
  const total =
    BigInt(tokens.prompt - tokens.cachedPrompt) * price.input +
    BigInt(tokens.cachedPrompt) * price.cachedInput +
    BigInt(tokens.completion) * price.output;
  return (total + TOKENS_PER_PRICE / 2n) / TOKENS_PER_PRICE;
};

/** The smaller of two amounts. */
export const minNano = (a: Nano, b: Nano): Nano => (a < b ? a : b);

/** The larger of two amounts. */
export const maxNano = (a: Nano, b: Nano): Nano => (a > b ? a : b);
