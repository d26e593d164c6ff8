import { expect } from '@jest/globals';
import type { UsageEvent } from '@tunan/contracts';
import { finalEventId, lostEventId, type Nano } from '@tunan/kernel';
import type { Settlement, SettlementResult } from '../../domain/operations.js';
import type { StoreHost } from '../store-host.js';
import type { StepObserver } from './compared-store.js';
import type { ReferenceLedger } from './reference-ledger.js';
import type { ReferenceStore } from './reference-store.js';

/** What holds after every step of a store, whatever came before, and what holds in the end. */
export class StoreInvariants implements StepObserver {
  /** What callers were told that settlements cost, by event id. */
  readonly #told = new Map<string, Nano>();
  /** Requests that billing charged before the store knew of it, with the version of their account just before. */
  readonly #bookings = new Map<string, { readonly version: number; readonly cost: Nano }>();

  constructor(
    private readonly reference: ReferenceStore,
    private readonly ledger: ReferenceLedger,
    private readonly accountIds: readonly string[],
  ) {}

  /** Billing is about to charge a request of which the store does not know the charge, unless it has charged it before. */
  booking({ id, data: { accountId, requestId, cost } }: UsageEvent): void {
    const { version } = this.ledger.books(accountId);
    const before = this.ledger.applied.get(lostEventId(requestId))?.data.cost ?? 0n;
    if (!this.ledger.applied.has(id)) this.#bookings.set(requestId, { version, cost: cost - before });
  }

  /**
   * What is left is never more than what remains once everything that was settled has been applied; but for a charge that
   * billing has just booked, of which the store learns by the next news or settlement.
   */
  afterOperation(): void {
    for (const accountId of this.accountIds) {
      const left = this.reference.left(accountId);
      const truth = this.#trueBalance(accountId) + this.#untold(accountId);
      if (left !== undefined && left > truth) throw new Error(`${accountId} has ${left}, in truth ${truth}`);
    }
  }

  /** The store itself says the same: balance less pending charges, and how many there are of everything. */
  afterBatch(host: StoreHost): void {
    const { holds, pending, tombstones, outboxDepth } = host.apply('stats', []);
    const expected = this.reference.stats();
    if (
      holds !== expected.holds ||
      pending !== expected.pending ||
      tombstones !== expected.tombstones ||
      outboxDepth !== expected.outboxDepth
    )
      expect({ holds, pending, tombstones, outboxDepth }).toEqual(expected);
    for (const accountId of this.accountIds) {
      const left = this.reference.left(accountId);
      // To ask for a cold account would make it wanted.
      if (left === undefined) continue;
      const seen = host.apply('inspect', [accountId, 'key_1', 'nothing']);
      if (seen.outcome !== 'known' || seen.left !== left) expect(seen).toMatchObject({ left });
    }
  }

  settled({ kind, hold }: Settlement, result: SettlementResult): void {
    if (result.outcome !== 'settled' || this.reference.tombstones.forgotten.has(hold.requestId)) return;
    const eventId = kind === 'final' ? finalEventId(hold.requestId) : lostEventId(hold.requestId);
    const before = this.#told.get(eventId);
    if (before !== undefined) expect(result.charge.cost).toBe(before);
    this.#told.set(eventId, result.charge.cost);
  }

  /** Once everything is delivered: what callers were told that it costs is in the ledger, and nothing else is. */
  afterDelivery(): void {
    for (const [eventId, cost] of this.#told) {
      const requestId = eventId.slice(0, eventId.lastIndexOf(':'));
      const applied = this.ledger.applied.get(eventId);
      // A `final` that came before its `lost` had left took the place of that.
      const isReplaced =
        eventId === lostEventId(requestId) && this.ledger.applied.has(finalEventId(requestId));
      if (applied !== undefined || !isReplaced)
        expect([eventId, applied?.data.cost]).toEqual([eventId, cost]);
    }
    for (const accountId of this.accountIds) {
      const { balance } = this.ledger.books(accountId);
      expect(this.#trueBalance(accountId)).toBe(balance);
      expect(this.reference.left(accountId)).toBe(balance);
    }
  }

  #untold(accountId: string): Nano {
    const known = this.reference.accounts.get(accountId)?.ledger?.version ?? 0;
    let untold = 0n;
    for (const [requestId, { version, cost }] of this.#bookings)
      if (this.ledger.applied.get(finalEventId(requestId))?.data.accountId === accountId)
        if (known <= version && this.reference.requests.get(requestId)?.state !== 'final') untold += cost;
    return untold;
  }

  #trueBalance(accountId: string): Nano {
    const { applied } = this.ledger;
    let balance = this.ledger.books(accountId).balance;
    for (const [requestId, { hold, state, charge }] of this.reference.requests) {
      if (charge === null || hold.accountId !== accountId || applied.has(`${requestId}:${state}`)) continue;
      const replaced = state === 'final' ? applied.get(lostEventId(requestId))?.data.cost : undefined;
      balance -= charge.cost - (replaced ?? 0n);
    }
    return balance;
  }
}
