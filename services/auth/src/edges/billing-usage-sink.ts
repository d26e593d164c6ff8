import type { BillingPort, UsageEvent } from '@tunan/contracts';
import { Fault, type Clock } from '@tunan/kernel';
import { UsageSink } from '../ports/usage-sink.js';
import { within } from '../within.js';

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
    if ((await within(this.clock, TIMEOUT_MS, delivery, 'late')) === 'late')
      throw new Fault('service_unavailable', 'Try again.', {
        internal: `billing: no answer in ${TIMEOUT_MS} ms`,
      });
  }
}
