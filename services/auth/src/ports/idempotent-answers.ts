import type {
  BeginIdempotentReply,
  FindIdempotentReply,
  IdempotentEnd,
  IdempotentRequest,
} from '@tunan/contracts';

/** Whether a request runs, by what else is known of it. */
export type IsRunning = (requestId: string) => Promise<boolean>;

/**
 * What became of requests with an idempotency key. Per key of a customer and idempotency key there is one mark, set by
 * the first request and replaced only when it has run out: that of a request which does not run any more with its
 * lease, an answered one after a day.
 */
export abstract class IdempotentAnswers {
  /**
   * What became of the request that holds the mark, or `none`. Writes nothing.
   * @param requestHash hash of the request, hex; another one is `reused`
   * @throws Fault `service_unavailable` if that can't be told
   */
  abstract find(request: IdempotentRequest, requestHash: string): Promise<FindIdempotentReply>;

  /**
   * Sets the mark, or says what became of the request that holds it.
   * @param requestHash hash of the request, hex; another one is `reused`
   * @param isRunning asked about a running request that did not renew its mark in time: only if it does not run any
   * more, its mark is taken
   * @throws Fault `service_unavailable` if that can't be told
   */
  abstract begin(
    request: IdempotentRequest,
    requestHash: string,
    isRunning: IsRunning,
  ): Promise<BeginIdempotentReply>;

  /**
   * Changes the mark of a request, if it is still its own.
   * @returns false if it is not: it has run out, and another request may have it
   * @throws Fault `service_unavailable`
   */
  abstract end(request: IdempotentRequest, end: IdempotentEnd): Promise<boolean>;

  /** Removes marks that have run out; returns how many. */
  abstract purge(limit: number): Promise<number>;
}
