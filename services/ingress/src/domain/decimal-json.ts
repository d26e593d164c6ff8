import { formatUsd, type Nano } from '@tunan/kernel';

/** Newer than the type declarations that the compiler has. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): object };

/** Dollars as a JSON number whose digits are exact: no float ever held them. For `JSON.stringify`. */
export const usdNumber = (amount: Nano): object => rawJSON(formatUsd(amount));

/** Hundredths of a dollar, likewise. */
export const centNumber = (amount: Nano): object => rawJSON(formatUsd(amount * 100n));
