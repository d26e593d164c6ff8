import { RERATE_EVENTS_MAX, type BillingPort, type RatingDifference } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import type { PriceArchive } from './ports/price-archive.js';
import type { UsageReader } from './ports/usage-reader.js';
import { rateRequests } from './rate-requests.js';

const CURSOR = /^[!-~]{1,260}$/;

/** Rates the ledger again, a page of events at a time. Reads only: what differs is for a person to judge. */
export class RerateLedger {
  constructor(
    private readonly usage: UsageReader,
    private readonly prices: PriceArchive,
  ) {}

  /** @throws Fault `invalid_value` for a cursor or limit out of bounds */
  async page({
    accountId,
    after,
    limit,
  }: Parameters<BillingPort['rerate']>[0]): ReturnType<BillingPort['rerate']> {
    if (after !== null && !CURSOR.test(after))
      throw new Fault('invalid_value', 'Not a cursor.', { param: 'after' });
    if (!Number.isInteger(limit) || limit < 1 || limit > RERATE_EVENTS_MAX)
      throw new Fault('invalid_value', `The limit must be from 1 to ${RERATE_EVENTS_MAX}.`, {
        param: 'limit',
      });
    const { requests, next } = await this.usage.charged(accountId, after ?? '', limit);
    const differences: RatingDifference[] = [];
    let [events, charged, rerated] = [0, 0n, 0n];
    for (const { request, rating } of await rateRequests(requests, this.prices)) {
      events += 1;
      charged += request.charged;
      rerated += rating.rerated ?? 0n;
      if (rating.difference !== null) differences.push(rating.difference);
    }
    return { events, charged, rerated, differences, next };
  }
}
