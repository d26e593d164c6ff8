import type { Hold, Publication, UsageEvent } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import type { Scheduler } from 'fast-check';
import { AccountRefresher } from '../../account-refresher.js';
import type { StoreLimits } from '../../domain/admission-state.js';
import type { ChargeFlag } from '../../domain/charge.js';
import type { Admission } from '../../domain/hold.js';
import type { Settlement, SettlementResult } from '../../domain/operations.js';
import { usageEventOfSettlement } from '../../domain/usage-event.js';
import { LeaseSweeper } from '../../lease-sweeper.js';
import type { AccountSource } from '../../ports/account-source.js';
import { StoreRepair } from '../../store-repair.js';
import { UsageRelay } from '../../usage-relay.js';
import { DOLLAR_PRICE } from './builders.js';
import { ComparedStore } from './compared-store.js';
import type { Disk } from './disk.js';
import { ReferenceLedger } from './reference-ledger.js';
import { ReferenceStore } from './reference-store.js';
import { StoreInvariants } from './store-invariants.js';

export const ACCOUNTS = ['acc_1', 'acc_2'] as const;

/** A charge that is pending for longer is read again. */
const STALE_MS = 60_000;

const TIER = { rpm: 6, tpm: 3_000, concurrency: 3 };
const TERMS = { price: DOLLAR_PRICE, ceilingDefault: 400, contextTokens: 100_000 };

/** How a delivery goes on its way to billing and back. */
export interface Delivery {
  readonly batchMax: number;
  /** Billing tells the store at once what it applied; else the news is kept, and comes late, twice, or never. */
  readonly isToldAtOnce: boolean;
  /** Billing applies everything, and the relay never hears of it. */
  readonly isAnswerLost: boolean;
}

/**
 * A store and everything around it: the real relay, sweeper, refresher and repair; billing and Postgres, which are a
 * {@link ReferenceLedger}; and what callers remember. Whatever is not the store's happens in turns that the scheduler
 * gives, so that anything else may happen before and after.
 */
export class StoreWorld {
  readonly admissions: Admission[] = [];
  readonly holds: Hold[] = [];
  /** How requests end, by their ids. */
  readonly finals = new Map<string, Settlement>();
  /** News that is under way. */
  readonly kept: Publication[] = [];
  readonly sweeper: LeaseSweeper;
  readonly refresher: AccountRefresher;
  readonly repair: StoreRepair;

  private constructor(
    readonly clock: TestClock,
    readonly scheduler: Scheduler,
    readonly reference: ReferenceStore,
    readonly ledger: ReferenceLedger,
    readonly invariants: StoreInvariants,
    readonly store: ComparedStore,
  ) {
    this.sweeper = new LeaseSweeper(store, { terms: () => TERMS }, () => undefined);
    const source: AccountSource = {
      read: async (accountIds, events) => {
        await this.turn('Postgres reads');
        const eventIds = events.map(({ eventId }) => eventId);
        const records = accountIds.map((accountId) => ledger.record(accountId, eventIds));
        await this.turn('Postgres answers');
        return records;
      },
      confirm: () => this.turn('Postgres is told what the store has'),
    };
    const tiers = { free: TIER, paid: TIER };
    this.refresher = new AccountRefresher(
      store,
      source,
      () => tiers,
      () => undefined,
    );
    this.repair = new StoreRepair(store, this.refresher, STALE_MS);
  }

  static async open(disk: Disk, scheduler: Scheduler, limits: StoreLimits): Promise<StoreWorld> {
    const clock = new TestClock();
    const reference = new ReferenceStore(clock, limits);
    const ledger = new ReferenceLedger(ACCOUNTS);
    const invariants = new StoreInvariants(reference, ledger, ACCOUNTS);
    const store = await ComparedStore.openOn(disk, clock, reference, scheduler, invariants);
    return new StoreWorld(clock, scheduler, reference, ledger, invariants, store);
  }

  /** Waits until it is this caller's turn. */
  turn(label: string): Promise<void> {
    return this.scheduler.schedule(Promise.resolve(), label);
  }

  /** A request that holds or has held, and is still promised something; undefined if there is none. */
  pick<Item extends { readonly requestId: string }>(items: readonly Item[], index: number): Item | undefined {
    const promised = items.filter(({ requestId }) => !this.reference.tombstones.forgotten.has(requestId));
    return promised[index % Math.max(1, promised.length)];
  }

  /** Settles as auth does: a charge that the ledger may have already is the ledger's to tell. */
  async settle(settlement: Settlement): Promise<SettlementResult> {
    const first = await this.store.settle(settlement);
    if (first.outcome !== 'uncertain') return first;
    const own = { ...settlement, charge: first.charge, booked: true, lapsesAtMs: undefined };
    const event = usageEventOfSettlement(own, this.clock.nowMs());
    await this.turn('billing is asked');
    if (settlement.lapsesAtMs === undefined) {
      this.invariants.booking(event);
      await this.tell(this.#apply([event]), true);
    }
    const booked = this.ledger.applied.get(event.id);
    await this.turn('billing tells what it has');
    if (booked === undefined) return { outcome: 'refused' };
    const { cost, usage, flags } = booked.data;
    return this.store.settle({ ...own, charge: { cost, usage, flags: flags as ChargeFlag[] } });
  }

  /** One delivery of the relay; returns how many events left the outbox. */
  deliver({ batchMax, isToldAtOnce, isAnswerLost }: Delivery): Promise<number> {
    const deliver = async (events: readonly UsageEvent[]): Promise<void> => {
      await this.turn('billing commits');
      await this.tell(this.#apply(events), isToldAtOnce);
      await this.turn('billing answers');
      if (isAnswerLost) throw new Fault('service_unavailable', 'The answer of billing was lost.');
    };
    const options = {
      ...{ batchMax, lingerMs: 0, idleMs: 1_000, backOffMs: { first: 1, most: 1 } },
      ...{ random: () => 0, onDelivered: () => undefined, onError: () => undefined },
    };
    return new UsageRelay(this.store, { deliver }, this.clock, options).deliverOnce(0);
  }

  /** News of a commit sets out, or is kept for later. What can't be told is lost: it is only ever a hint. */
  async tell(news: readonly Publication[], isToldAtOnce: boolean): Promise<void> {
    if (!isToldAtOnce) return void this.kept.push(...news);
    await this.turn('news sets out');
    await this.store.publish(news, null).catch((error: unknown) => {
      if (!(error instanceof Fault)) throw error;
    });
  }

  /** Everything comes to rest; then store and ledger have to agree to the nano-dollar. */
  async quiesce(leaseMs: number): Promise<void> {
    this.store.recover();
    await this.turn('the store is there');
    // Behind everything that was issued and given up, and whatever has to be read again.
    await this.store.stats();
    this.clock.advance(leaseMs);
    await this.sweeper.sweep();
    while ((await this.deliver({ batchMax: 50, isToldAtOnce: true, isAnswerLost: false })) > 0);
    await this.refresher.refresh(ACCOUNTS);
    const { holds, pending, outboxDepth } = await this.store.stats();
    if (holds + pending + outboxDepth > 0)
      throw new Error('something is held, pending or undelivered at rest');
    this.invariants.afterDelivery();
  }

  #apply(events: readonly UsageEvent[]): Publication[] {
    for (const event of events) this.ledger.apply(event);
    return ACCOUNTS.flatMap((accountId) => {
      const ids = events.filter(({ subject }) => subject === accountId).map(({ id }) => id);
      return ids.length === 0 ? [] : [{ ...this.ledger.publication(accountId, ids), profile: null }];
    });
  }
}
