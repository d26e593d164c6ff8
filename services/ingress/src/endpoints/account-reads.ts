import type { AuthPort } from '@tunan/contracts';
import { type InspectReply } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import { invalidApiKey } from '../domain/bearer-token.js';
import type { AuthenticatedRequest } from '../public-api.js';

export type KnownAccount = Extract<InspectReply, { outcome: 'known' }>;

/** Reads that an account makes about itself: counted, and refused for a key that was revoked since it was cached. */
export class AccountReads {
  constructor(private readonly auth: AuthPort) {}

  /**
   * The account's state.
   * @throws Fault `invalid_api_key`, `rate_limit_exceeded` or, while the account is not loaded, `service_unavailable`
   */
  async read({ principal }: AuthenticatedRequest): Promise<KnownAccount> {
    const { accountId, keyId } = principal;
    const reply = await this.auth.inspect({ accountId, keyId, countedAs: 'read' });
    if (reply.outcome === 'cold') {
      throw new Fault('service_unavailable', 'The account is being loaded. Please retry.', {
        retryAfterMs: reply.retryAfterMs,
      });
    }
    if (!reply.keyActive) throw invalidApiKey();
    if (reply.retryAfterMs !== null) {
      throw new Fault('rate_limit_exceeded', 'Rate limit reached: too many reads per minute.', {
        retryAfterMs: reply.retryAfterMs,
      });
    }
    return reply;
  }
}
