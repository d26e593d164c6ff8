import type { AuthPort } from '@tunan/contracts';
import { type AdmitReply, type AdmitRequest } from '@tunan/contracts';
import { Fault, type Clock } from '@tunan/kernel';
import type { Logger } from '@tunan/service-kit';

export type Granted = Extract<AdmitReply, { outcome: 'granted' }>;

export type Denied = Extract<AdmitReply, { outcome: 'denied' }>;

const VOID_ATTEMPTS_MAX = 5;
const VOID_BACKOFF_MS = 200;

/** Asks for admission, and makes sure that an answer that was never received leaves no hold behind. */
export class Admission {
  constructor(
    private readonly auth: AuthPort,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /**
   * The answer of `auth`.
   * @throws Fault `service_unavailable` if there is none, or the account's state is not loaded yet
   */
  async admit(request: AdmitRequest): Promise<Exclude<AdmitReply, { outcome: 'cold' }>> {
    let reply: AdmitReply;
    try {
      reply = await this.auth.admit(request);
    } catch (error) {
      void this.giveUp(request.requestId, request.accountId, true);
      throw error;
    }
    if (reply.outcome !== 'cold') return reply;
    throw new Fault('service_unavailable', 'The account is being loaded. Please retry.', {
      retryAfterMs: reply.retryAfterMs,
    });
  }

  /** Releases what an admission may have set aside. Bounded; what it can't reach, the lease releases. */
  async giveUp(requestId: string, accountId: string, giveBackRequest: boolean): Promise<void> {
    for (let attempt = 1; attempt <= VOID_ATTEMPTS_MAX; attempt += 1) {
      try {
        await this.auth.void({ requestId, accountId, giveBackRequest });
        return;
      } catch (error) {
        this.logger.debug({ requestId, err: Fault.from(error).message }, 'void not delivered');
        await this.clock.sleep(VOID_BACKOFF_MS * 2 ** attempt);
      }
    }
  }
}
