import { parseUsd, type Nano } from '@tunan/kernel';

/** Largest amount that one operator call may move: a slip of the finger must not make a millionaire. */
export const AMOUNT_MAX: Nano = parseUsd('1000000');

/** An amount in dollars as text: exact, not negative, at most {@link AMOUNT_MAX}. Null if it is anything else. */
export const readAmount = (text: string): Nano | null => {
  let amount: Nano;
  try {
    amount = parseUsd(text);
  } catch {
    return null;
  }
  return amount >= 0n && amount <= AMOUNT_MAX ? amount : null;
};
