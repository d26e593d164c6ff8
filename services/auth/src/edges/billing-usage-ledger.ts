import type { BillingPort, UsageEvent } from '@tunan/contracts';
import { answerWithin, type Clock } from '@tunan/kernel';
import { UsageLedger } from '../ports/usage-ledger.js';

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
    return (await answerWithin(this.clock, TIMEOUT_MS, 'billing', call)).event;
  }
}
