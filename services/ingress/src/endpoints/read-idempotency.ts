import { readIdempotencyKey } from '../domain/idempotency-key.js';
import type { InferenceRequest } from '../chat/inference.js';
import type { AuthenticatedRequest } from '../public-api.js';

/**
 * By what a client would know its request again, if it says so.
 * @param body the request's body as it came
 * @throws Fault `invalid_value` for a key that is none
 */
export const readIdempotency = (
  { raw }: AuthenticatedRequest,
  body: Buffer,
): InferenceRequest['idempotency'] => {
  const key = readIdempotencyKey(raw.headers['idempotency-key']);
  return key === undefined ? undefined : { key, body };
};
