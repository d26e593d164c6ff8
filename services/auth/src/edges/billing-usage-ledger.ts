import type { BillingPort, UsageEvent } from '@tunan/contracts';
import { Fault, type Clock } from '@tunan/kernel';
import { UsageLedger } from '../ports/usage-ledger.js';
import { within } from '../within.js';

/** A settlement waits for it, and has five seconds. */
const TIMEOUT_MS = 3_000;

/** The ledger, asked through billing. */
export class BillingUsageLedger extends UsageLedger {
  constructor(
    private readonly billing: Pick<BillingPort, 'findUsage' | 'book'>,
    private readonly clock: Clock,
  ) {
    super();
  }

  override async find(accountId: string, requestId: string): Promise<UsageEvent | null> {
    const event = await this.#answer(this.billing.findUsage({ accountId, requestId }));
    return event?.data.kind === 'final' ? event : null;
  }

  override book(event: UsageEvent): Promise<UsageEvent | null> {
    return this.#answer(this.billing.book({ event }));
  }

  async #answer(call: Promise<{ event: UsageEvent | null }>): Promise<UsageEvent | null> {
    const reply = await within(this.clock, TIMEOUT_MS, call, undefined);
    if (reply !== undefined) return reply.event;
    throw new Fault('service_unavailable', 'The service is not available at the moment. Please retry.', {
      internal: `billing: no answer in ${TIMEOUT_MS} ms`,
      retryAfterMs: 1_000,
    });
  }
}
