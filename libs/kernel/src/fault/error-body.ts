import type { Fault } from './fault.js';

/** The OpenAI error object. All four members are always present: SDKs and frameworks read each of them. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | number | null;
  };
}

/** The public error object of a fault. */
export const errorBody = (fault: Fault): ErrorBody => ({
  error: {
    message: fault.publicMessage,
    type: fault.spec.type,
    param: fault.param ?? null,
    code: fault.spec.code,
  },
});

/** Response headers that belong to a fault, lower-case. `Retry-After` is whole seconds, rounded up, at least 1. */
export const errorHeaders = (fault: Fault): Record<string, string> => {
  const headers: Record<string, string> = {};
  if (fault.retryAfterMs !== undefined) {
    headers['retry-after'] = String(Math.max(1, Math.ceil(fault.retryAfterMs / 1000)));
    headers['retry-after-ms'] = String(Math.max(1, Math.ceil(fault.retryAfterMs)));
  }
  if (fault.shouldRetry !== undefined) headers['x-should-retry'] = String(fault.shouldRetry);
  if (fault.spec.status === 401) headers['www-authenticate'] = 'Bearer';
  return headers;
};
