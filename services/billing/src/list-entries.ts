import type { BillingPort } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import type { Ledger } from './ports/ledger.js';

const LIMIT_MAX = 10_000;
const CURSOR = /^\d{1,18}$/;

/** Reads the ledger of one account. */
export class ListEntries {
  constructor(private readonly ledger: Ledger) {}

  /**
   * One entry per transfer, in ledger order, with the balance of the same moment.
   * @throws Fault `not_found` for an unknown account, `invalid_value` for a cursor that is not one of ours
   */
  async list({
    accountId,
    after,
    limit,
  }: Parameters<BillingPort['entries']>[0]): ReturnType<BillingPort['entries']> {
    if (after !== null && !CURSOR.test(after))
      throw new Fault('invalid_value', 'Not a cursor.', { param: 'after' });
    if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MAX)
      throw new Fault('invalid_value', `The limit must be from 1 to ${LIMIT_MAX}.`, { param: 'limit' });
    const page = await this.ledger.entries(accountId, BigInt(after ?? '0'), limit);
    if (page === null) throw new Fault('not_found', 'No such account.', { param: 'accountId' });
    return { balance: page.balance, entries: [...page.entries], next: page.next };
  }
}
