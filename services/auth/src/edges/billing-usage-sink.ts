import type { BillingPort, UsageEvent } from '@tunan/contracts';
import { answerWithin, type Clock } from '@tunan/kernel';
import { UsageSink } from '../ports/usage-sink.js';

/** As in the contract of `deliver`. Also for a billing in this process, so that a stuck one can't stop the relay. */
const TIMEOUT_MS = 30_000;

/** Usage events go straight to billing. */
export class BillingUsageSink extends UsageSink {
  constructor(
    private readonly billing: Pick<BillingPort, 'deliver'>,
    private readonly clock: Clock,
  ) {
    super();
  }

  override async deliver(events: readonly UsageEvent[]): Promise<void> {
    const delivery = this.billing.deliver({ events: [...events] });
    await answerWithin(this.clock, TIMEOUT_MS, 'billing', delivery);
  }
}
