import { uuidv7TimeMs } from '@tunan/kernel';
import type { Logger } from '@tunan/service-kit';
import type { Check } from './check.js';
import { upstreamCost, type Margin } from './domain/margin.js';
import { Findings } from './findings.js';
import { Pass, type Inspected } from './pass.js';
import type { PriceArchive } from './ports/price-archive.js';
import type { UsageReader } from './ports/usage-reader.js';
import { rateRequests } from './rate-requests.js';

/** Length of a request id, which event ids begin with. */
const REQUEST_ID_LENGTH = 36;

/** What usage was sold for and cost, oldest first as far as the pass has come. */
export interface RatedUsage {
  readonly margins: ReadonlyMap<string, Margin>;
  /** Time of the newest request among it, in milliseconds; zero if there is none. */
  readonly throughMs: number;
}

/** Compares charges with price × usage of their catalog snapshots, and adds up what the usage has cost us. */
export class CheckCharges implements Check, Inspected {
  readonly #differences = new Findings();
  readonly #failures = new Findings();
  readonly #pass: Pass;
  #beginsPass = true;
  #margins = new Map<string, Margin>();
  #throughMs = 0;

  constructor(
    private readonly usage: UsageReader,
    private readonly prices: PriceArchive,
    private readonly logger: Pick<Logger, 'error'>,
    /** Events that one statement may read. */
    eventsMax: number,
  ) {
    this.#pass = new Pass(this, eventsMax);
  }

  get differences(): number {
    return this.#differences.count;
  }

  get failures(): number {
    return this.#failures.count;
  }

  /** Of the current pass or, between two, of the last one. */
  get rated(): RatedUsage {
    return { margins: this.#margins, throughMs: this.#throughMs };
  }

  async step(): Promise<boolean> {
    if (this.#beginsPass) {
      this.#margins = new Map();
      this.#throughMs = 0;
    }
    this.#beginsPass = await this.#pass.step();
    if (this.#beginsPass) this.#failures.endPass();
    return this.#beginsPass;
  }

  async inspect(afterId: string, limit: number): Promise<string | null> {
    const { requests, next } = await this.usage.charged(null, afterId, limit);
    const rated = await rateRequests(requests, this.prices);
    // All of it before anything is counted: a page that fails is looked at again.
    const costs = rated.map(({ request, snapshot }) =>
      request.event === null ? undefined : upstreamCost(request.event, snapshot),
    );
    for (const [index, { request, rating }] of rated.entries()) {
      const { eventId, accountId, charged } = request;
      const faults = rating.difference?.faults ?? [];
      this.#failures.delete(eventId);
      if (faults.length === 0) this.#differences.delete(eventId);
      else if (this.#differences.add(eventId))
        this.logger.error({ eventId, accountId, faults }, 'a charge is not what its catalog snapshot says');
      const served = costs[index];
      if (served !== undefined) this.#addMargin(served.provider, { charged, cost: served.cost });
    }
    const newest = requests.at(-1)?.eventId.slice(0, REQUEST_ID_LENGTH) ?? '';
    this.#throughMs = uuidv7TimeMs(newest) ?? this.#throughMs;
    return next;
  }

  idAfter(afterId: string): Promise<string | null> {
    return this.usage.eventIdAfter(afterId);
  }

  giveUp(eventId: string, error: unknown): void {
    if (this.#failures.add(eventId))
      this.logger.error({ eventId, err: error }, 'a charge could not be checked');
  }

  #addMargin(provider: string, { charged, cost }: Margin): void {
    const known = this.#margins.get(provider) ?? { charged: 0n, cost: 0n };
    this.#margins.set(provider, { charged: known.charged + charged, cost: known.cost + cost });
  }
}
