import type { CountedAs, Hold, Publication, UsageEvent } from '@tunan/contracts';
import type { Admission, HeldTerms } from '../domain/hold.js';
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
} from '../domain/operations.js';
import { usageEventOf } from '../domain/usage-event.js';
import { AdmissionStore, type OutboxEntry } from './admission-store.js';
import type { ArgumentsOf, OperationName, ResultOf } from './operation-codec.js';

/** How long an operation may wait: one that a request waits for, or one that rather waits than fails. */
export type Patience = 'fast' | 'patient';

/** An admission store whose operations are those of the state machine, wherever that runs. */
export abstract class MachineAdmissionStore extends AdmissionStore {
  readonly shards = 1;

  /** Runs one operation of the state machine; resolves after its commit. */
  protected abstract operate<Name extends OperationName>(
    name: Name,
    args: ArgumentsOf<Name>,
    patience: Patience,
  ): Promise<ResultOf<Name>>;

  override admit(admission: Admission): Promise<AdmissionResult> {
    return this.#fast('admit', admission);
  }

  override renew(hold: Hold, deliveredTokens: number): Promise<RenewalResult> {
    return this.#fast('renew', hold, deliveredTokens);
  }

  override settle(settlement: Settlement): Promise<SettlementResult> {
    return this.#patient('settle', settlement);
  }

  override void(requestId: string, accountId: string, giveBackRequest: boolean): Promise<void> {
    return this.#fast('void', requestId, accountId, giveBackRequest);
  }

  override async findUsage(accountId: string, requestId: string): Promise<UsageEvent | null> {
    const record = await this.#fast('findUsage', accountId, requestId);
    return record === null ? null : (usageEventOf(record) ?? null);
  }

  override inspect(accountId: string, keyId: string, countedAs: CountedAs): Promise<InspectionResult> {
    return this.#fast('inspect', accountId, keyId, countedAs);
  }

  override publish(publications: readonly Publication[], readUnder: string | null): Promise<boolean> {
    return this.#patient('publish', publications, readUnder);
  }

  override nothingLost(generation: string): Promise<void> {
    return this.#patient('nothingLost', generation);
  }

  override isHeld(requestId: string): Promise<boolean> {
    return this.#fast('isHeld', requestId);
  }

  override expiredHolds(limit: number, except: readonly HeldTerms[] = []): Promise<readonly ExpiredHold[]> {
    return this.#patient('expiredHolds', limit, except);
  }

  override async readOutbox(_shard: number, limit: number): Promise<readonly OutboxEntry[]> {
    const records = await this.#patient('readOutbox', limit);
    return records.map((record) => ({ seq: record.seq, event: usageEventOf(record)! }));
  }

  override ackOutbox(_shard: number, throughSeq: number): Promise<void> {
    return this.#patient('ackOutbox', throughSeq);
  }

  override takeWanted(limit: number): Promise<readonly string[]> {
    return this.#patient('takeWanted', limit);
  }

  override pendingOf(accountIds: readonly string[], limitEach: number): Promise<readonly PendingEvent[]> {
    return this.#patient('pendingOf', accountIds, limitEach);
  }

  override stalePending(olderThanMs: number, cursor: string | null, limit: number): Promise<PendingPage> {
    return this.#patient('stalePending', olderThanMs, cursor, limit);
  }

  override deliveredPending(olderThanMs: number, limit: number): Promise<readonly PendingEvent[]> {
    return this.#patient('deliveredPending', olderThanMs, limit);
  }

  override agedHolds(olderThanMs: number, limit: number): Promise<readonly Hold[]> {
    return this.#patient('agedHolds', olderThanMs, limit);
  }

  override ledgersOf(accountIds: readonly string[]): Promise<readonly StoredLedger[]> {
    return this.#patient('ledgersOf', accountIds);
  }

  override accountIds(cursor: string | null, limit: number): Promise<AccountPage> {
    return this.#patient('accountIds', cursor, limit);
  }

  override purge(limit: number): Promise<number> {
    return this.#patient('purge', limit);
  }

  override stats(): Promise<StoreStats> {
    return this.#patient('stats');
  }

  #fast<Name extends OperationName>(name: Name, ...args: ArgumentsOf<Name>): Promise<ResultOf<Name>> {
    return this.operate(name, args, 'fast');
  }

  #patient<Name extends OperationName>(name: Name, ...args: ArgumentsOf<Name>): Promise<ResultOf<Name>> {
    return this.operate(name, args, 'patient');
  }
}
