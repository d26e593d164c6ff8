import { formatUsd, type Nano } from '@tunan/kernel';

/** Newer than the type declarations that the compiler has. Its result is a number to `JSON.stringify`, and to nothing else. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): number };

/** Dollars as a JSON number whose digits are exact: no float ever held them. For `JSON.stringify`. */
export const usdNumber = (amount: Nano): number => rawJSON(formatUsd(amount));

/** Hundredths of a dollar, likewise. */
export const centNumber = (amount: Nano): number => rawJSON(formatUsd(amount * 100n));
