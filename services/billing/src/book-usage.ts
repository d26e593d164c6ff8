import type { BillingPort } from '@tunan/contracts';
import type { DeliverUsage } from './deliver-usage.js';
import type { UsageReader } from './ports/usage-reader.js';

/** Charges a request that may have been charged before: the ledger's first event of it stands. */
export class BookUsage {
  constructor(
    private readonly usage: Pick<DeliverUsage, 'deliverUnlessKnown'>,
    private readonly reader: Pick<UsageReader, 'find'>,
  ) {}

  /** Resolves after the commit, to the event that is charged. */
  async book({ event }: Parameters<BillingPort['book']>[0]): ReturnType<BillingPort['book']> {
    await this.usage.deliverUnlessKnown(event);
    const { accountId, requestId } = event.data;
    const charged = await this.reader.find(accountId, requestId);
    return { event: charged?.id === event.id ? charged : null };
  }
}
