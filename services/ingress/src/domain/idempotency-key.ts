import { invalidValue } from './parameter-faults.js';

export const IDEMPOTENCY_KEY_CHARS_MAX = 255;
const PRINTABLE = /^[\x20-\x7e]+$/;

/**
 * The idempotency key of a request, from its header; undefined without one.
 * @throws Fault `invalid_value` for one that is empty, too long or not printable ASCII
 */
export const readIdempotencyKey = (header: string | string[] | undefined): string | undefined => {
  if (header === undefined) return undefined;
  if (typeof header === 'string' && header.length <= IDEMPOTENCY_KEY_CHARS_MAX && PRINTABLE.test(header))
    return header;
  throw invalidValue(
    'Idempotency-Key',
    `The header 'Idempotency-Key' must have 1 to ${IDEMPOTENCY_KEY_CHARS_MAX} printable ASCII characters.`,
  );
};
