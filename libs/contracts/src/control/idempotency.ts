import { z } from 'zod';
import { id } from '../wire.js';

/** Largest answer that is kept for a replay, in bytes. */
export const REPLAY_BYTES_MAX = 256 * 1_024;
/** Largest sum of the sealed answers that are kept for an account, in bytes. What comes after is not kept. */
export const REPLAY_ACCOUNT_BYTES_MAX = 256 * 1_024 * 1_024;
/** The answer in base64, what settles it, nonce and tag; sealed, and in base64 again. */
const SEALED_CHARS_MAX = Math.ceil(((REPLAY_BYTES_MAX * 4) / 3 + 16 * 1_024) * (4 / 3));

const hash = z.string().regex(/^[0-9a-f]{64}$/);

/** Which request is meant: the customer's account and key, a keyed hash of its idempotency key, and our id of it. */
export const idempotentRequest = z.object({ accountId: id, keyId: id, idempotencyHash: hash, requestId: id });
export type IdempotentRequest = z.output<typeof idempotentRequest>;

/** An answer that only the holder of the API key can read, in base64. */
export const sealedAnswer = z.string().max(SEALED_CHARS_MAX);

export const hashedRequest = z.object({
  ...idempotentRequest.shape,
  /** Keyed hash of the request: another one under the same idempotency key is a mistake. */
  requestHash: hash,
});

/** What became of the first request with an idempotency key. */
const known = [
  /** The first request with this key is still running. */
  z.object({ outcome: z.literal('running'), requestId: id }),
  /** The key was used for another request. */
  z.object({ outcome: z.literal('reused') }),
  /** The first request was answered, and this is its answer. Unless `settled` it must be settled again first. */
  z.object({ outcome: z.literal('answered'), requestId: id, settled: z.boolean(), sealed: sealedAnswer }),
  /** The first request was answered by a stream, or by more than is kept of one answer or for one account. */
  z.object({ outcome: z.literal('not-stored'), requestId: id }),
] as const;

export const findIdempotentReply = z.discriminatedUnion('outcome', [
  /** This would be the first one. */
  z.object({ outcome: z.literal('none') }),
  ...known,
]);
export type FindIdempotentReply = z.output<typeof findIdempotentReply>;

export const beginIdempotentReply = z.discriminatedUnion('outcome', [
  /**
   * Go on: the mark is set, for as long as a hold's lease, and must be kept alive like one. If that fails nobody else
   * gets it all the same, as long as the request holds.
   */
  z.object({ outcome: z.literal('begun') }),
  ...known,
]);
export type BeginIdempotentReply = z.output<typeof beginIdempotentReply>;

export const endIdempotentRequest = z.object({
  ...idempotentRequest.shape,
  end: z.discriminatedUnion('kind', [
    /** Still running: the mark's lease begins anew. */
    z.object({ kind: z.literal('running') }),
    /** Failed: the key may be used again at once. */
    z.object({ kind: z.literal('failed') }),
    /** Its charge was refused for good: the key may be used again at once, unless the answer was kept for a replay. */
    z.object({ kind: z.literal('uncharged') }),
    /** Answered, and charged, with something that is not kept. */
    z.object({ kind: z.literal('not-stored') }),
    /** Kept, unless its account has too much already: first unsettled, then as the client gets it. */
    z.object({ kind: z.literal('answered'), settled: z.boolean(), sealed: sealedAnswer }),
  ]),
});
export type IdempotentEnd = z.output<typeof endIdempotentRequest>['end'];

/** `owned` is false if nothing was changed: the mark is no longer this request's, because its lease ran out. */
export const endIdempotentReply = z.object({ owned: z.boolean() });
