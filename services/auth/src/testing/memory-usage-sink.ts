import type { UsageEvent } from '@tunan/contracts';
import { UsageSink } from '../ports/usage-sink.js';

/** Keeps every delivery. */
export class MemoryUsageSink extends UsageSink {
  readonly deliveries: (readonly UsageEvent[])[] = [];
  /** What every delivery does first: throw to be away, wait to be slow. */
  before: () => Promise<void> = () => Promise.resolve();
  /** What it does last: throw to lose the answer of a delivery that arrived. */
  after: () => Promise<void> = () => Promise.resolve();

  /** Ids of the events that arrived, in order, repetitions included. */
  get eventIds(): string[] {
    return this.deliveries.flat().map(({ id }) => id);
  }

  override async deliver(events: readonly UsageEvent[]): Promise<void> {
    await this.before();
    this.deliveries.push(events);
    await this.after();
  }
}
