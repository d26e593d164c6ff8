import { z } from 'zod';

/** Integer nano-dollars: `bigint` in a process, a decimal string on the wire. */
export const nano = z.codec(z.string().regex(/^-?\d{1,30}$/), z.bigint(), {
  decode: (text) => BigInt(text),
  encode: (amount) => amount.toString(),
});

/** A count: an integer from 0 to 2⁵³ − 1. */
export const count = z.int().min(0);

/** An identifier of ours. Bounded, so that no field of a call is unbounded. */
export const id = z.string().min(1).max(128);
