import type { CountedAs, Hold, LedgerState, Publication } from '@tunan/contracts';
import type { Clock } from '@tunan/kernel';
import type { SlidingWindow } from '@tunan/resilience';
import {
  budgetOf,
  isHot,
  isKeyActive,
  isSpendKnown,
  limitsOf,
  MALFORMED_PER_MINUTE,
  READS_PER_MINUTE,
  type AccountState,
  type HotAccount,
  type PromptFactor,
} from './account-state.js';
import { decide } from './decide.js';
import {
  isUnmade,
  observedPermille,
  settledRecord,
  unmadeRecord,
  voidedRecord,
  withinHold,
  withinMeans,
} from './ending.js';
import { firstOf } from './first-of.js';
import { haveOnePrice, type Admission, type HeldTerms } from './hold.js';
import type {
  AccountPage,
  AdmissionResult,
  ExpiredHold,
  InspectionResult,
  PendingEvent,
  PendingPage,
  RenewalResult,
  Settlement,
  SettlementResult,
  StoreStats,
  StoredLedger,
} from './operations.js';
import { deliveredPending, pendingOf, stalePending } from './pending-events.js';
import { RequestBook, type Changes } from './request-book.js';
import {
  eventIdOf,
  requestIdOfEvent,
  type EndedRecord,
  type HeldRecord,
  type RequestRecord,
} from './request-record.js';
import { StoreLife } from './store-life.js';
import type { StoreTime } from './store-time.js';

/** Bounds of a store. */
export interface StoreLimits {
  /** A hold that is not renewed for this long may be swept. */
  readonly leaseMs: number;
  /** How long a store with a new file waits for the holds of a lost one: a renewal interval, and a margin. */
  readonly returnMs: number;
  /** How long an ended request is remembered. */
  readonly tombstoneMs: number;
  /** Most ended requests that are remembered; beyond, those that are done the longest are forgotten early. */
  readonly tombstonesMax: number;
  /** Most unacknowledged usage events; at this number nothing more is admitted. */
  readonly outboxMax: number;
}

/** Accounts that were asked for, most that are remembered. */
const WANTED_MAX = 10_000;

/** Ended requests beyond the cap that one operation forgets: a step stays short, and what was too many shrinks. */
const FORGOTTEN_MAX = 2;

/** How long an observed prompt factor holds. */
const PROMPT_FACTOR_MS = 24 * 3_600_000;

/** What a store keeps at rest. */
export interface StoredState {
  /** Random name of this state's unbroken history. */
  readonly generation: string;
  /** The file is new, and holds of a lost one may not have come back yet. */
  readonly incomplete: boolean;
  /** Outbox places up to this one are acknowledged. */
  readonly ackedSeq: number;
  readonly accounts: readonly StoredAccount[];
  readonly records: readonly RequestRecord[];
}

/** An account at rest. Its sums and windows follow from the records. */
export interface StoredAccount {
  readonly id: string;
  readonly ledger: LedgerState | undefined;
  readonly profile: AccountState['profile'];
  readonly promptFactor: PromptFactor | undefined;
}

const atMsOf = (record: RequestRecord): number =>
  record.kind === 'held' ? record.hold.admittedAtMs : record.endedAtMs;

const accountIdOf = (record: RequestRecord): string =>
  record.kind === 'held' ? record.hold.accountId : record.accountId;

const seqOf = (record: RequestRecord): number => (record.kind === 'held' ? 0 : record.seq);

/** Accounts of which anything is stored, be it a request. */
const accountsIn = ({ accounts, records }: StoredState): Set<string> =>
  new Set([...accounts.map(({ id }) => id), ...records.map(accountIdOf)]);

/**
 * The admission store as a state machine: every operation is one synchronous step, there is no I/O, and time comes
 * from the clock. What each operation promises is said at `AdmissionStore`.
 */
export class AdmissionState {
  readonly generation: string;
  readonly life: StoreLife;
  readonly #book = new RequestBook();
  readonly #time: StoreTime;
  readonly #wanted = new Set<string>();
  /** Accounts that were read since the last commit: what the file says of them may be older still. */
  #read: string[] = [];
  /** Settlements since the last commit that lapse, and when: they stand once they are at rest before that. */
  readonly #lapsing = new Map<string, number>();
  #ackedSeq: number;
  #lastSeq: number;

  /** @param life the one that goes on, if memory is read again from the file that is open */
  constructor(
    clock: Clock,
    private readonly limits: StoreLimits,
    stored: StoredState,
    life?: StoreLife,
  ) {
    this.generation = stored.generation;
    this.#ackedSeq = stored.ackedSeq;
    this.#lastSeq = stored.ackedSeq;
    const records = stored.records.toSorted((a, b) => atMsOf(a) - atMsOf(b) || seqOf(a) - seqOf(b));
    const latest = records.at(-1);
    const latestMs = latest === undefined ? 0 : atMsOf(latest);
    const returnMs = stored.incomplete ? limits.returnMs : 0;
    this.life = life ?? new StoreLife(clock, latestMs, returnMs, accountsIn(stored));
    this.#time = this.life.time;
    for (const account of stored.accounts) this.#loadAccount(account);
    for (const record of records) this.#loadRecord(record);
    for (const id of this.life.unverified) this.#book.account(id).verified = false;
    this.#book.takeChanges();
    for (const requestId of this.life.lapsed) this.#unmake(requestId);
  }

  /** Outbox places up to this one are acknowledged. */
  get ackedSeq(): number {
    return this.#ackedSeq;
  }

  /** A hold that is in use may not be here. */
  get incomplete(): boolean {
    return this.life.incompleteMs() > 0;
  }

  /** What must be written before the answers of the operations since the last call may be given. */
  takeChanges(): Changes {
    return this.#book.takeChanges();
  }

  /**
   * The changes that were taken are at rest.
   * @returns requests whose settlement lapsed before it was: it is unmade, which has to be committed too
   */
  committed(): ReadonlySet<string> {
    for (const accountId of this.#read) this.life.unverified.delete(accountId);
    this.#read = [];
    this.life.lapsed.clear();
    const nowMs = this.#time.nowMs();
    for (const [requestId, lapsesAtMs] of this.#lapsing) {
      if (nowMs < lapsesAtMs) continue;
      this.life.lapsed.add(requestId);
      this.#unmake(requestId);
    }
    this.#lapsing.clear();
    return new Set(this.life.lapsed);
  }

  admit(request: Admission): AdmissionResult {
    const nowMs = this.#time.nowMs();
    const known = this.#book.find(request.requestId);
    if (known?.kind === 'ended') return { outcome: 'ended' };
    const account = this.#book.account(request.accountId);
    if (!isHot(account) || !isSpendKnown(account, request.keyId, account.key(request.keyId)))
      return this.#cold(account);
    if (known !== undefined) return this.#granted(account, known, nowMs);
    const incompleteMs = this.life.incompleteMs();
    if (incompleteMs > 0) return { outcome: 'incomplete', retryAfterMs: incompleteMs };
    if (this.#book.outbox.size >= this.limits.outboxMax) return { outcome: 'full' };
    const decision = decide(request, account, nowMs);
    if (!decision.granted) {
      const { reason, limits, retryAfterMs, needed, available } = decision;
      return { outcome: 'denied', reason, limits, retryAfterMs, needed, available };
    }
    const hold: Hold = {
      requestId: request.requestId,
      accountId: request.accountId,
      keyId: request.keyId,
      model: request.model,
      operation: request.operation,
      stream: request.stream,
      catalogVersion: request.catalogVersion,
      completions: request.completions,
      promptLikely: request.promptLikely,
      promptBound: request.promptBound,
      ceiling: decision.ceiling,
      amount: decision.amount,
      windowTokens: decision.windowTokens,
      admittedAtMs: nowMs,
    };
    return this.#granted(account, this.#putHeld(hold, decision.lowered, 0, nowMs), nowMs);
  }

  renew(hold: Hold, deliveredTokens: number): RenewalResult {
    const nowMs = this.#time.nowMs();
    const known = this.#book.find(hold.requestId);
    if (known?.kind === 'ended') return { outcome: 'settled' };
    if (known === undefined) this.#putHeld(hold, false, deliveredTokens, nowMs);
    else this.#book.renewed(known, nowMs + this.limits.leaseMs, deliveredTokens);
    return { outcome: 'renewed', leaseMs: this.limits.leaseMs };
  }

  settle(settlement: Settlement): SettlementResult {
    const nowMs = this.#time.nowMs();
    const { kind, hold } = settlement;
    const known = this.#book.find(hold.requestId);
    const lapsed = settlement.lapsesAtMs !== undefined && nowMs >= settlement.lapsesAtMs;
    if (known?.kind === 'ended' && known.by === kind && known.charge !== null)
      return lapsed && isUnmade(known.charge, settlement)
        ? { outcome: 'refused' }
        : this.#settled(known, true, nowMs);
    if (kind === 'lost' && (known?.kind !== 'held' || known.leaseEndsMs > nowMs))
      return { outcome: 'refused' };
    if (lapsed) return { outcome: 'refused' };
    if (settlement.booked !== true && this.#isUncertain(settlement, known))
      return { outcome: 'uncertain', charge: withinHold(settlement) };
    const account = this.#book.account(hold.accountId);
    const permille = observedPermille(settlement);
    if (permille !== undefined && permille > account.promptPermille(nowMs)) {
      account.promptFactor = { permille, untilMs: nowMs + PROMPT_FACTOR_MS };
      this.#book.touched(account);
    }
    const charge = settlement.booked === true ? settlement.charge : withinMeans(settlement, known, account);
    const record = settledRecord(settlement, charge, known, (this.#lastSeq += 1), nowMs);
    this.#remember(record, known);
    if (settlement.lapsesAtMs !== undefined) this.#lapsing.set(hold.requestId, settlement.lapsesAtMs);
    return this.#settled(record, false, nowMs);
  }

  void(requestId: string, accountId: string, giveBackRequest: boolean): void {
    const nowMs = this.#time.nowMs();
    const known = this.#book.find(requestId);
    if (known?.kind === 'ended') return;
    this.#remember(voidedRecord(requestId, accountId, giveBackRequest, known, nowMs), known);
  }

  findUsage(accountId: string, requestId: string): EndedRecord | null {
    const known = this.#book.ended.get(requestId);
    if (this.#lapsing.has(requestId)) return null;
    return known?.accountId === accountId && known.charge !== null && known.detail !== null ? known : null;
  }

  inspect(accountId: string, keyId: string, countedAs: CountedAs): InspectionResult {
    const nowMs = this.#time.nowMs();
    const account = this.#book.account(accountId);
    if (!isHot(account)) return this.#cold(account);
    const key = account.key(keyId);
    if (!isSpendKnown(account, keyId, key)) return this.#cold(account);
    const waitMs =
      countedAs === 'read'
        ? takeOne(account.reads, READS_PER_MINUTE, nowMs)
        : countedAs === 'malformed'
          ? takeOne(key.malformed, MALFORMED_PER_MINUTE, nowMs)
          : 0;
    return {
      outcome: 'known',
      keyActive: isKeyActive(key, nowMs),
      left: account.ledger.balance - account.pending,
      spent: account.ledger.spent + account.pending,
      requests: account.ledger.requests + account.pendingRecords.size,
      keyBudget: budgetOf(account, keyId, key),
      profile: account.profile,
      limits: limitsOf(account, key, nowMs),
      retryAfterMs: waitMs === 0 ? null : waitMs,
    };
  }

  publish(publications: readonly Publication[], readUnder: string | null): boolean {
    if (readUnder !== null && readUnder !== this.generation) return false;
    for (const { accountId, ledger, profile, appliedEventIds } of publications) {
      const account = this.#book.account(accountId);
      if (ledger !== null) {
        // The balance in force is at least as new as this one, so it contains these events.
        for (const eventId of appliedEventIds) this.#applied(eventId);
        if (account.assignLedger(ledger)) this.#book.touched(account);
      }
      if (profile !== null && account.assignProfile(profile)) this.#book.touched(account);
      // A publisher that follows its own commit may be late; only a read since the opening is the truth of now.
      if (readUnder !== null) this.#verify(account);
      if (isHot(account)) this.#wanted.delete(accountId);
    }
    return true;
  }

  nothingLost(generation: string): void {
    if (generation === this.generation) this.life.complete();
  }

  isHeld(requestId: string): boolean {
    return this.#book.held.has(requestId);
  }

  expiredHolds(limit: number, except: readonly HeldTerms[]): ExpiredHold[] {
    const nowMs = this.#time.nowMs();
    const expired: ExpiredHold[] = [];
    for (const { hold, deliveredTokens, leaseEndsMs } of this.#book.held.values()) {
      if (leaseEndsMs > nowMs || expired.length >= limit) break;
      if (!except.some((terms) => haveOnePrice(terms, hold))) expired.push({ hold, deliveredTokens });
    }
    return expired;
  }

  readOutbox(limit: number): EndedRecord[] {
    const records = firstOf(this.#book.outbox.values(), limit);
    // What may still be unmade is told to nobody.
    const open = records.findIndex(({ requestId }) => this.#lapsing.has(requestId));
    return open === -1 ? records : records.slice(0, open);
  }

  ackOutbox(throughSeq: number): void {
    for (const [seq, record] of this.#book.outbox) {
      if (seq > throughSeq) break;
      this.#book.acknowledged(record);
    }
    this.#ackedSeq = Math.max(this.#ackedSeq, Math.min(throughSeq, this.#lastSeq));
  }

  takeWanted(limit: number): string[] {
    const wanted = firstOf(this.#wanted, limit);
    for (const accountId of wanted) this.#wanted.delete(accountId);
    return wanted;
  }

  pendingOf(accountIds: readonly string[], limitEach: number): PendingEvent[] {
    return pendingOf(this.#book, accountIds, limitEach);
  }

  stalePending(olderThanMs: number, cursor: string | null, limit: number): PendingPage {
    return stalePending(this.#book, this.#time.nowMs() - olderThanMs, cursor, limit);
  }

  deliveredPending(olderThanMs: number, limit: number): PendingEvent[] {
    return deliveredPending(this.#book, this.#time.nowMs() - olderThanMs, limit);
  }

  agedHolds(olderThanMs: number, limit: number): Hold[] {
    const beforeMs = this.#time.nowMs() - olderThanMs;
    const aged: Hold[] = [];
    for (const { hold } of this.#book.held.values()) {
      if (aged.length >= limit) break;
      if (hold.admittedAtMs <= beforeMs) aged.push(hold);
    }
    return aged;
  }

  ledgersOf(accountIds: readonly string[]): StoredLedger[] {
    return accountIds.flatMap((accountId) => {
      const ledger = this.#book.accounts.get(accountId)?.ledger;
      return ledger === undefined ? [] : [{ accountId, ledger }];
    });
  }

  accountIds(cursor: string | null, limit: number): AccountPage {
    // Accounts are never removed, so their order of arrival is a cursor.
    const start = cursor === null ? 0 : Number(cursor);
    const accountIds = [...this.#book.accounts.keys()].slice(start, start + limit);
    const next = start + accountIds.length;
    return { accountIds, next: next < this.#book.accounts.size ? String(next) : null };
  }

  purge(limit: number): number {
    const beforeMs = this.#time.nowMs() - this.limits.tombstoneMs;
    let purged = 0;
    for (const record of this.#book.ended.values()) {
      if (record.endedAtMs > beforeMs || purged >= limit) break;
      if (!this.#book.done.has(record.requestId)) continue;
      this.#book.forget(record);
      purged += 1;
    }
    return purged;
  }

  stats(): StoreStats {
    const [oldest] = this.#book.outbox.values();
    return {
      accounts: this.#book.accounts.size,
      holds: this.#book.held.size,
      pending: this.#book.pending.size,
      tombstones: this.#book.ended.size,
      outboxDepth: this.#book.outbox.size,
      outboxAgeMs: oldest === undefined ? 0 : Math.max(0, this.#time.nowMs() - oldest.endedAtMs),
    };
  }

  #loadAccount({ id, ledger, profile, promptFactor }: StoredAccount): void {
    const account = this.#book.account(id);
    if (ledger !== undefined) account.assignLedger(ledger);
    if (profile !== undefined) account.assignProfile(profile);
    account.promptFactor = promptFactor;
  }

  /**
   * Up to the hold a request costs the same whenever it is settled. Above, it depends on the moment; so it must not be
   * decided a second time, and this store knows only of requests that it has admitted itself that it was not.
   */
  #isUncertain({ kind, hold, charge }: Settlement, known: RequestRecord | undefined): boolean {
    if (kind === 'lost' || charge.cost <= hold.amount) return false;
    return known === undefined || hold.admittedAtMs < this.life.openedAtMs;
  }

  #verify(account: AccountState): void {
    account.verified = true;
    if (this.life.unverified.has(account.id)) this.#read.push(account.id);
  }

  #loadRecord(record: RequestRecord): void {
    const nowMs = this.#time.nowMs();
    if (record.kind === 'held') {
      // Nobody could renew while there was no store: every lease begins anew.
      record.leaseEndsMs = nowMs + this.limits.leaseMs;
    } else {
      if (record.seq <= this.#ackedSeq) record.detail = null;
      this.#lastSeq = Math.max(this.#lastSeq, record.seq);
    }
    this.#book.put(record, undefined, nowMs);
  }

  #cold(account: AccountState): { outcome: 'cold' } {
    if (this.#wanted.size < WANTED_MAX) this.#wanted.add(account.id);
    return { outcome: 'cold' };
  }

  #granted(account: HotAccount, { hold, lowered }: HeldRecord, nowMs: number): AdmissionResult {
    const limits = limitsOf(account, account.key(hold.keyId), nowMs);
    return { outcome: 'granted', hold, lowered, limits, leaseMs: this.limits.leaseMs };
  }

  #settled({ accountId, keyId, charge }: EndedRecord, repeated: boolean, nowMs: number): SettlementResult {
    const account = this.#book.account(accountId);
    const limits = isHot(account) ? limitsOf(account, account.key(keyId), nowMs) : null;
    return { outcome: 'settled', charge: charge!, repeated, limits };
  }

  #putHeld(hold: Hold, lowered: boolean, deliveredTokens: number, nowMs: number): HeldRecord {
    const leaseEndsMs = nowMs + this.limits.leaseMs;
    const record: HeldRecord = { kind: 'held', hold, lowered, deliveredTokens, leaseEndsMs };
    this.#book.put(record, undefined, nowMs);
    return record;
  }

  #remember(record: EndedRecord, former: RequestRecord | undefined): void {
    this.#book.put(record, former, record.endedAtMs);
    const { ended, done } = this.#book;
    const excess = Math.min(ended.size - this.limits.tombstonesMax, FORGOTTEN_MAX);
    for (const oldest of firstOf(done.values(), excess)) this.#book.forget(oldest);
  }

  /** Takes the charge of a settlement back. Only before its event was handed out. */
  #unmake(requestId: string): void {
    const record = this.#book.ended.get(requestId);
    if (record?.charge != null) this.#book.endOtherwise(record, unmadeRecord(record), this.#time.nowMs());
  }

  #applied(eventId: string): void {
    const record = this.#book.pending.get(requestIdOfEvent(eventId));
    if (record !== undefined && eventIdOf(record) === eventId) this.#book.applied(record);
  }
}

/** Counts one if it fits, and says how long to wait if it does not. */
const takeOne = (window: SlidingWindow, limit: number, nowMs: number): number => {
  const waitMs = window.waitMs(nowMs, limit, 1);
  if (waitMs === 0) window.add(nowMs, 1);
  return waitMs;
};
