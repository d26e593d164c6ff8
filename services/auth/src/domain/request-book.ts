import { AccountState } from './account-state.js';
import { requestIdOf, type EndedRecord, type HeldRecord, type RequestRecord } from './request-record.js';

/** What a request counts in the limit windows, in the second of its admission. */
interface Counted {
  readonly atMs: number;
  readonly requests: number;
  readonly tokens: number;
}

/** What changed since the last call of {@link RequestBook.takeChanges}. */
export interface Changes {
  readonly accounts: ReadonlySet<AccountState>;
  /** By request id; null: removed. */
  readonly records: ReadonlyMap<string, RequestRecord | null>;
}

/**
 * Every request that the store knows, the accounts they belong to, and every sum over them. A request has one
 * record; {@link put} replaces it and moves all sums by the difference, so that a sum can't disagree with the
 * records.
 */
export class RequestBook {
  readonly #accounts = new Map<string, AccountState>();
  /** In order of lease end: all leases are equally long, and a renewal moves a record to the end. */
  readonly #held = new Map<string, HeldRecord>();
  /** In order of their end. */
  readonly #ended = new Map<string, EndedRecord>();
  readonly #pending = new Map<string, EndedRecord>();
  /** Ended, applied and acknowledged: nothing is left to do. In the order in which they came to that. */
  readonly #done = new Map<string, EndedRecord>();
  readonly #outbox = new Map<number, EndedRecord>();
  #dirtyAccounts = new Set<AccountState>();
  #dirtyRecords = new Map<string, RequestRecord | null>();

  get accounts(): ReadonlyMap<string, AccountState> {
    return this.#accounts;
  }

  get held(): ReadonlyMap<string, HeldRecord> {
    return this.#held;
  }

  get ended(): ReadonlyMap<string, EndedRecord> {
    return this.#ended;
  }

  get pending(): ReadonlyMap<string, EndedRecord> {
    return this.#pending;
  }

  /** Ended requests that may be forgotten, those first that are done the longest. */
  get done(): ReadonlyMap<string, EndedRecord> {
    return this.#done;
  }

  /** Records whose usage event is not acknowledged, by place. */
  get outbox(): ReadonlyMap<number, EndedRecord> {
    return this.#outbox;
  }

  /** The account, made cold if it is not known. */
  account(accountId: string): AccountState {
    let account = this.#accounts.get(accountId);
    if (account === undefined) this.#accounts.set(accountId, (account = new AccountState(accountId)));
    return account;
  }

  find(requestId: string): RequestRecord | undefined {
    return this.#held.get(requestId) ?? this.#ended.get(requestId);
  }

  /**
   * Sets the record of a request.
   * @param former the record that it has, as `find` gives it
   */
  put(record: RequestRecord, former: RequestRecord | undefined, nowMs: number): void {
    const requestId = requestIdOf(record);
    if (former !== undefined) this.#leave(requestId, former);
    this.#count(record, former, nowMs);
    if (record.kind === 'held') this.#hold(requestId, record);
    else this.#end(requestId, record);
    this.#dirtyRecords.set(requestId, record);
  }

  /** Sets another end of a request in the place of the one that it has. Only while its usage event is in the outbox. */
  endOtherwise(former: EndedRecord, record: EndedRecord, nowMs: number): void {
    if (former.pending) this.#unpend(former.requestId, former);
    this.#count(record, former, nowMs);
    this.#ended.set(record.requestId, record);
    this.#outbox.set(record.seq, record);
    this.#dirtyRecords.set(record.requestId, record);
  }

  /** Notes a renewal. */
  renewed(record: HeldRecord, leaseEndsMs: number, deliveredTokens: number): void {
    const { requestId } = record.hold;
    record.leaseEndsMs = leaseEndsMs;
    this.#held.delete(requestId);
    this.#held.set(requestId, record);
    if (deliveredTokens <= record.deliveredTokens) return;
    record.deliveredTokens = deliveredTokens;
    this.#dirtyRecords.set(requestId, record);
  }

  /** Notes that Postgres contains a charge. */
  applied(record: EndedRecord): void {
    if (!record.pending) return;
    this.#unpend(record.requestId, record);
    record.pending = false;
    this.#noteDone(record);
    this.#dirtyRecords.set(record.requestId, record);
  }

  /**
   * Notes that a usage event has arrived where it belongs. Not a change of the record at rest: places up to the
   * acknowledged one are kept as one number.
   */
  acknowledged(record: EndedRecord): void {
    this.#outbox.delete(record.seq);
    record.detail = null;
    this.#noteDone(record);
  }

  /** Forgets an ended request. Only for one that is done. */
  forget(record: EndedRecord): void {
    this.#ended.delete(record.requestId);
    this.#done.delete(record.requestId);
    this.#dirtyRecords.set(record.requestId, null);
  }

  /** Notes a change of an account's ledger part, profile or prompt factor. */
  touched(account: AccountState): void {
    this.#dirtyAccounts.add(account);
  }

  takeChanges(): Changes {
    const changes = { accounts: this.#dirtyAccounts, records: this.#dirtyRecords };
    this.#dirtyAccounts = new Set();
    this.#dirtyRecords = new Map();
    return changes;
  }

  #hold(requestId: string, record: HeldRecord): void {
    this.#held.set(requestId, record);
    const account = this.account(record.hold.accountId);
    for (const counters of [account, account.key(record.hold.keyId)]) {
      counters.live += 1;
      counters.held += record.hold.amount;
    }
  }

  #end(requestId: string, record: EndedRecord): void {
    this.#ended.set(requestId, record);
    if (record.detail !== null) this.#outbox.set(record.seq, record);
    this.#noteDone(record);
    if (!record.pending) return;
    this.#pending.set(requestId, record);
    const account = this.account(record.accountId);
    account.pendingRecords.add(record);
    account.pending += record.charge!.cost;
    account.key(record.keyId).pending += record.charge!.cost;
  }

  #leave(requestId: string, record: RequestRecord): void {
    if (record.kind === 'ended') {
      this.#ended.delete(requestId);
      this.#done.delete(requestId);
      this.#outbox.delete(record.seq);
      if (record.pending) this.#unpend(requestId, record);
      return;
    }
    this.#held.delete(requestId);
    const account = this.account(record.hold.accountId);
    for (const counters of [account, account.key(record.hold.keyId)]) {
      counters.live -= 1;
      counters.held -= record.hold.amount;
    }
  }

  #noteDone(record: EndedRecord): void {
    if (!record.pending && record.detail === null) this.#done.set(record.requestId, record);
  }

  #unpend(requestId: string, record: EndedRecord): void {
    this.#pending.delete(requestId);
    const account = this.account(record.accountId);
    account.pendingRecords.delete(record);
    account.pending -= record.charge!.cost;
    account.key(record.keyId).pending -= record.charge!.cost;
  }

  #count(record: RequestRecord, former: RequestRecord | undefined, nowMs: number): void {
    const before = former === undefined ? undefined : countedOf(former);
    const { atMs, requests, tokens } = countedOf(record);
    const [accountId, keyId] =
      record.kind === 'held' ? [record.hold.accountId, record.hold.keyId] : [record.accountId, record.keyId];
    const moreRequests = requests - (before?.requests ?? 0);
    const moreTokens = tokens - (before?.tokens ?? 0);
    const account = this.account(accountId);
    for (const counters of [account, account.key(keyId)]) {
      if (moreRequests !== 0) counters.requests.correct(nowMs, atMs, moreRequests);
      if (moreTokens !== 0) counters.tokens.correct(nowMs, atMs, moreTokens);
    }
  }
}

const countedOf = (record: RequestRecord): Counted =>
  record.kind === 'held'
    ? { atMs: record.hold.admittedAtMs, requests: 1, tokens: record.hold.windowTokens }
    : { atMs: record.admittedAtMs, requests: record.countedRequests, tokens: record.countedTokens };
