import type { FaultCode } from '@tunan/kernel';
import type { VendorError } from './vendor-error.js';

/** Words by which a vendor says what its codes do not: where they count, how the message begins, and what it means. */
export type VendorPhrase = readonly [statuses: readonly number[], beginning: RegExp, means: FaultCode];

/**
 * A reader of vendor phrases. They count only with the statuses they belong to, and only as the beginning of the message:
 * vendors repeat what a customer sent, as a value (`'insufficient balance' is not of type 'object'`) or as a name, and
 * what a customer writes must not look like what is wrong with our account or with a model.
 * @param prefix what the vendor puts before every message of its own
 */
export const vendorPhrases = (
  phrases: readonly VendorPhrase[],
  prefix: RegExp = /(?:)/,
): ((error: VendorError) => FaultCode | undefined) => {
  const anchored = phrases.map(
    ([statuses, { source }, means]) =>
      [new Set(statuses), new RegExp(`^(?:${prefix.source})?(?:${source})`, 'i'), means] as const,
  );
  return ({ status, message }) =>
    anchored.find(([statuses, pattern]) => statuses.has(status) && pattern.test(message))?.[2];
};
