const NANO_PER_USD = 1_000_000_000n;

const nanoOf = (whole: string, fraction: string): bigint =>
  BigInt(whole) * NANO_PER_USD + BigInt(fraction.padEnd(9, '0'));

/** Dollars as text, exactly. */
export const usd = (nano: bigint): string =>
  `${nano / NANO_PER_USD}.${String(nano % NANO_PER_USD).padStart(9, '0')}`;

/** The last cost that some text of an answer shows, in nano-dollars, exactly: no float is involved. */
export const costIn = (text: string): bigint | null => {
  const match = [...text.matchAll(/"cost":(\d+)\.(\d{1,9})[,}]/g)].at(-1);
  return match === undefined ? null : nanoOf(match[1]!, match[2]!);
};

/**
 * The first amount after some words of a message, in nano-dollars.
 * @throws Error if there is none
 */
export const amountIn = (words: RegExp, text: string): bigint => {
  const match = new RegExp(`${words.source} \\$(\\d+)\\.(\\d{1,9})`).exec(text);
  if (match === null) throw new Error(`no amount after ${words.source} in: ${text}`);
  return nanoOf(match[1]!, match[2]!);
};
