import type { AuthPort, CountedAs, InspectReply, Principal } from '@tunan/contracts';
import { Fault, type Clock } from '@tunan/kernel';
import { invalidApiKey } from './domain/bearer-token.js';
import { statusFault } from './domain/denial.js';
import { limitHeaders, requestLimitHeaders } from './domain/limit-headers.js';
import type { FailedAuthentications } from './failed-authentications.js';

/** An error answer and the limits that go with it. */
export interface Refusal {
  readonly fault: Fault;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Answers to requests that never reach admission. Each is counted, and says how its limit stands: malformed requests
 * by key, requests without a working key by client address.
 */
export class Refusals {
  constructor(
    private readonly auth: AuthPort,
    private readonly clock: Clock,
    private readonly failed: FailedAuthentications,
  ) {}

  /** Whether too many authentications have failed from an address. */
  isSuspect(address: string): boolean {
    return this.failed.isExceeded(address);
  }

  /** The refusal of a request without a known key. */
  stranger(fault: Fault, address: string): Refusal {
    const waitMs = fault.spec.status === 401 ? this.failed.count(address) : 0;
    const headers = requestLimitHeaders(this.failed.state(address), this.clock.nowMs());
    return { fault: waitMs === 0 ? fault : limited('failed authentications', waitMs), headers };
  }

  /**
   * The refusal of a request whose key is known. What stands before it in the order of denials is answered instead:
   * a key that was revoked meanwhile, an account that may not call, and too many malformed requests. Where the
   * account's state can't be told the fault stands, without headers that would be invented.
   * @param isRead accounts that may not call may still read about themselves
   * @returns `invalid_api_key` without headers if the key works no longer: the rest is for {@link stranger}
   */
  async known(fault: Fault, principal: Principal, countedAs: CountedAs, isRead: boolean): Promise<Refusal> {
    const { accountId, keyId } = principal;
    let account: InspectReply;
    try {
      account = await this.auth.inspect({ accountId, keyId, countedAs });
    } catch {
      return { fault, headers: {} };
    }
    if (account.outcome === 'cold') return { fault, headers: {} };
    if (!account.keyActive) return { fault: invalidApiKey(), headers: {} };
    const headers = limitHeaders(account.limits, this.clock.nowMs());
    return { fault: firstDenial(account, countedAs, isRead) ?? fault, headers };
  }
}

const firstDenial = (
  account: Extract<InspectReply, { outcome: 'known' }>,
  countedAs: CountedAs,
  isRead: boolean,
): Fault | undefined => {
  const status = isRead ? undefined : statusFault(account.profile.status);
  if (status !== undefined || countedAs !== 'malformed') return status;
  return account.retryAfterMs === null ? undefined : limited('malformed requests', account.retryAfterMs);
};

const limited = (what: string, retryAfterMs: number): Fault =>
  new Fault('rate_limit_exceeded', `Rate limit reached: too many ${what} per minute.`, { retryAfterMs });
