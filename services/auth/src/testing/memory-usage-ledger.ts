import type { UsageEvent } from '@tunan/contracts';
import { finalEventId } from '@tunan/kernel';
import { UsageLedger } from '../ports/usage-ledger.js';

/** A ledger of usage events, by their ids. */
export class MemoryUsageLedger extends UsageLedger {
  readonly events = new Map<string, UsageEvent>();
  /** What every call does first: throw to be away. */
  before: () => Promise<void> = () => Promise.resolve();

  override async find(accountId: string, requestId: string): Promise<UsageEvent | null> {
    await this.before();
    const event = this.events.get(finalEventId(requestId));
    return event?.subject === accountId ? event : null;
  }

  override async book(event: UsageEvent): Promise<UsageEvent | null> {
    await this.before();
    if (!this.events.has(event.id)) this.events.set(event.id, event);
    return this.find(event.subject, event.data.requestId);
  }
}
