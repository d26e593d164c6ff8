import type { UsageEvent } from '@tunan/contracts';

/** Where usage events go. */
export abstract class UsageSink {
  /**
   * Delivers events in their order; resolves when they are safe there. May be called again with the same ones.
   * @throws if some may not have arrived
   */
  abstract deliver(events: readonly UsageEvent[]): Promise<void>;
}
