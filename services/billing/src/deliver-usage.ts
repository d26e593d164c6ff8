import type { UsageEvent } from '@tunan/contracts';
import type { Clock } from '@tunan/kernel';
import type { Logger } from '@tunan/service-kit';
import type { AccountPublisher, AccountNews } from './account-publisher.js';
import type { BillingMetrics } from './billing.metrics.js';
import type { AccountLedger } from './domain/account-ledger.js';
import { applyUsage, type FreshUsage, type UsageOutcome } from './domain/apply-usage.js';
import {
  deadLetter,
  isDeadLetter,
  readUsage,
  type DeadLetter,
  type UsageRecord,
} from './domain/read-usage.js';
import type { Ledger, LedgerTransaction, SpentByKey } from './ports/ledger.js';

interface Delivery {
  /** Distinct well-formed events, by id. */
  readonly records: ReadonlyMap<string, UsageRecord>;
  readonly deadLetters: readonly DeadLetter[];
  /** An event whose id is recorded with another cost is no error. */
  readonly firstStands?: boolean;
}

interface Applied {
  readonly outcome: UsageOutcome;
  readonly accounts: ReadonlyMap<string, AccountLedger>;
  /** Ids of events that the balances contain now, by account: those of this delivery and repeated ones. */
  readonly appliedIds: ReadonlyMap<string, readonly string[]>;
  readonly spentByKey: SpentByKey;
  readonly freshCount: number;
  readonly deadLetters: readonly DeadLetter[];
}

/**
 * Applies usage events to the ledger: one transaction per delivery, each event once, however often and in whatever
 * order it is delivered. The order matters. Rows, transfers and balances commit together; a crash before the commit
 * leaves nothing and the sender sends again; a crash after it leaves accounts whose news is unpublished, which the
 * repair loop finds. An event that can't be applied is kept aside in the same transaction and never holds up others.
 */
export class DeliverUsage {
  constructor(
    private readonly ledger: Ledger,
    private readonly publisher: AccountPublisher,
    private readonly metrics: BillingMetrics,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** Resolves after the commit. Rejects only if the ledger could not be written. */
  async deliver(events: readonly UsageEvent[]): Promise<void> {
    if (events.length > 0) await this.#deliver(events, sortOut(events));
  }

  /** The same for one event that the ledger may have with another cost: then nothing is done and nothing put aside. */
  async deliverUnlessKnown(event: UsageEvent): Promise<void> {
    await this.#deliver([event], { ...sortOut([event]), firstStands: true });
  }

  async #deliver(events: readonly UsageEvent[], delivery: Delivery): Promise<void> {
    const startMs = this.clock.monotonicMs();
    const applied = await this.ledger.transaction((transaction) => applyDelivery(transaction, delivery));
    this.metrics.batchSeconds.observe((this.clock.monotonicMs() - startMs) / 1_000);
    this.#report(events.length, applied);
    await this.publisher.publish(newsOf(applied));
  }

  #report(delivered: number, { freshCount, deadLetters, outcome }: Applied): void {
    this.metrics.events.inc({ result: 'applied' }, freshCount);
    this.metrics.events.inc({ result: 'duplicate' }, delivered - freshCount - deadLetters.length);
    this.metrics.events.inc({ result: 'dead_letter' }, deadLetters.length);
    this.metrics.addWriteOff(outcome.writtenOff);
    if (outcome.writtenOff > 0n)
      this.logger.warn(
        { nano: outcome.writtenOff.toString() },
        'charges exceeded credit and were written off',
      );
    for (const { reason, detail, eventId, accountId } of deadLetters) {
      this.metrics.deadLetters.inc({ reason });
      this.logger.error({ reason, detail, eventId, accountId }, 'usage event put aside');
    }
  }
}

const sortOut = (events: readonly unknown[]): Delivery => {
  const records = new Map<string, UsageRecord>();
  const deadLetters: DeadLetter[] = [];
  for (const event of events) {
    const outcome = readUsage(event);
    if (isDeadLetter(outcome)) {
      deadLetters.push(outcome);
      continue;
    }
    const { usage } = outcome;
    const twin = records.get(usage.eventId)?.usage;
    if (twin === undefined) records.set(usage.eventId, outcome);
    else if (twin.cost !== usage.cost || twin.accountId !== usage.accountId)
      deadLetters.push(
        deadLetter('conflict', 'the same id twice in one delivery, with another account or cost', event),
      );
  }
  return { records, deadLetters };
};

const applyDelivery = async (transaction: LedgerTransaction, delivery: Delivery): Promise<Applied> => {
  const deadLetters = [...delivery.deadLetters];
  const accountIds = new Set<string>();
  for (const { usage } of delivery.records.values()) accountIds.add(usage.accountId);
  const accounts = await transaction.lockAccounts([...accountIds]);

  const records: UsageRecord[] = [];
  for (const record of delivery.records.values()) {
    if (accounts.has(record.usage.accountId)) records.push(record);
    else deadLetters.push(deadLetter('unknown_account', 'no such account', JSON.parse(record.json)));
  }
  const standings = records.length === 0 ? [] : await transaction.recordUsage(records);

  const fresh: FreshUsage[] = [];
  const appliedIds = new Map<string, string[]>();
  standings.forEach((standing, index) => {
    const { usage, json } = records[index]!;
    if (standing.state === 'conflict') {
      if (delivery.firstStands === true) return;
      deadLetters.push(
        deadLetter('conflict', 'the id is recorded with another account or cost', JSON.parse(json)),
      );
      return;
    }
    if (standing.state === 'fresh') fresh.push({ ...usage, earlier: standing.earlier });
    const ids = appliedIds.get(usage.accountId);
    if (ids === undefined) appliedIds.set(usage.accountId, [usage.eventId]);
    else ids.push(usage.eventId);
  });

  const outcome = applyUsage(accounts, fresh);
  if (deadLetters.length > 0) await transaction.recordDeadLetters(deadLetters);
  const spentByKey: SpentByKey =
    appliedIds.size === 0 ? new Map() : await transaction.write(outcome, [...appliedIds.keys()]);
  return { outcome, accounts, appliedIds, spentByKey, freshCount: fresh.length, deadLetters };
};

/** News also of accounts that did not change: their repeated events must leave the store's pending set. */
const newsOf = ({ outcome, accounts, appliedIds, spentByKey }: Applied): AccountNews[] => {
  const changed = new Map(outcome.accounts.map((account) => [account.accountId, account]));
  const news: AccountNews[] = [];
  for (const [accountId, appliedEventIds] of appliedIds) {
    const account = changed.get(accountId) ?? accounts.get(accountId)!;
    news.push({ account, spentByKey: spentByKey.get(accountId) ?? {}, appliedEventIds });
  }
  return news;
};
