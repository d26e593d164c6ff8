import type { BillingPort } from '@tunan/contracts';
import { Fault, type Nano } from '@tunan/kernel';
import type { AccountPublisher } from './account-publisher.js';
import type { BillingMetrics } from './billing.metrics.js';
import type { AccountLedger } from './domain/account-ledger.js';
import { applyPosting, type Posting } from './domain/apply-posting.js';
import { customerOf, signedAmount, type Transfer } from './domain/transfer.js';
import { EventIdTaken, type Ledger, type LedgerTransaction } from './ports/ledger.js';

interface Posted {
  readonly account: AccountLedger;
  readonly spentByKey: Readonly<Record<string, Nano>>;
  readonly posted: boolean;
  readonly becamePaid: boolean;
}

/** Ids of usage events end like this; a posting under such an id would stand in the way of the event itself. */
const USAGE_EVENT_ID = /:(final|lost)$/;

const EVENT_ID_MAX = 128;

/**
 * Posts entries from outside the request path: grants, payments, refunds, adjustments (sign rules: `POSTING_RULES`).
 * Idempotent by event id. An account's first payment makes it a paid account.
 */
export class PostEntry {
  constructor(
    private readonly ledger: Ledger,
    private readonly publisher: AccountPublisher,
    private readonly metrics: BillingMetrics,
  ) {}

  /**
   * @throws Fault `not_found` for an unknown account; `invalid_value` for an amount that the kind does not allow and
   * for an event id that has been posted with another account, kind or amount
   */
  async post(posting: Posting): ReturnType<BillingPort['post']> {
    checkEventId(posting.eventId);
    const result = await this.#transact(posting);
    if (result.posted) {
      this.metrics.postings.inc({ kind: posting.kind });
      await this.publisher.publish([{ ...result, appliedEventIds: [] }]);
      if (result.becamePaid) await this.publisher.refresh(posting.accountId);
    }
    return { balance: result.account.balance, posted: result.posted };
  }

  async #transact(posting: Posting): Promise<Posted> {
    const run = (): Promise<Posted> => this.ledger.transaction((transaction) => postIn(transaction, posting));
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof EventIdTaken)) throw error;
      // Somebody posted the id to another account a moment ago: this time it is found, and refused.
      return run();
    }
  }
}

const postIn = async (transaction: LedgerTransaction, posting: Posting): Promise<Posted> => {
  const { accountId, eventId } = posting;
  const account = (await transaction.lockAccounts([accountId])).get(accountId);
  if (account === undefined) throw new Fault('not_found', 'No such account.', { param: 'accountId' });
  const earlier = await transaction.findTransfers(eventId);
  if (earlier.length > 0) {
    if (!saysTheSame(earlier, posting))
      throw new Fault(
        'invalid_value',
        'This event id has been posted with another account, kind or amount.',
        {
          param: 'eventId',
        },
      );
    return { account, spentByKey: {}, posted: false, becamePaid: false };
  }
  const outcome = applyPosting(account, posting);
  if ('refused' in outcome) throw new Fault('invalid_value', outcome.refused, { param: 'amount' });
  const spentByKey = await transaction.write(outcome.change, [accountId]);
  return {
    account: outcome.account,
    spentByKey: spentByKey.get(accountId) ?? {},
    posted: true,
    becamePaid: outcome.becamePaid,
  };
};

const saysTheSame = (earlier: readonly Transfer[], posting: Posting): boolean => {
  const [transfer] = earlier;
  return (
    earlier.length === 1 &&
    transfer !== undefined &&
    transfer.kind === posting.kind &&
    customerOf(transfer) === posting.accountId &&
    signedAmount(transfer) === posting.amount
  );
};

const checkEventId = (eventId: string): void => {
  const storable = eventId.isWellFormed() && !eventId.includes('\0');
  if (eventId === '' || eventId.length > EVENT_ID_MAX || !storable || USAGE_EVENT_ID.test(eventId))
    throw new Fault('invalid_value', 'This is not an event id that can be posted.', { param: 'eventId' });
};
