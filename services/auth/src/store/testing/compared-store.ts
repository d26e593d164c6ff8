import { isDeepStrictEqual } from 'node:util';
import { expect } from '@jest/globals';
import { Fault } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import type { Scheduler } from 'fast-check';
import type { Settlement, SettlementResult } from '../../domain/operations.js';
import type { Patience } from '../machine-admission-store.js';
import type { ArgumentsOf, OperationName, ResultOf } from '../operation-codec.js';
import { OperationQueue } from '../operation-queue.js';
import { SqliteAdmissionStore } from '../sqlite-admission-store.js';
import type { StoreHost } from '../store-host.js';
import type { Disk } from './disk.js';
import { expectationOf, type Expectation } from './expected-answers.js';
import { FragileHost, type HostObserver } from './fragile-host.js';
import type { ReferenceStore } from './reference-store.js';
import { sightOf, sightOfAnswer, type Sight } from './sightings.js';

/** One call, from its issue to its answer. */
interface Call {
  readonly name: OperationName;
  readonly args: ArgumentsOf<OperationName>;
  /** Set when the operation is made. */
  expectation: Expectation<never> | undefined;
  /** Whether it may fail, and be made or not. */
  mayFail: boolean;
  /** Its caller does not wait for it any more. */
  isGivenUp: boolean;
}

/** Longest wait of a call, on the queue's own clock. */
const TIMEOUT_MS = 5_000;

/** Longest time after which a host that was killed is opened again. */
const REOPENED_MS = 5_000;

/** Told of every operation right after it was made, of every batch, and of every settlement that was answered. */
export interface StepObserver {
  afterOperation(): void;
  afterBatch(host: StoreHost): void;
  settled(settlement: Settlement, result: SettlementResult): void;
}

/**
 * The real store, each of whose operations is made in a {@link ReferenceStore} too: at the moment at which the host
 * makes it, which has to be in the order of issue. Answers are compared, and are delivered to their callers in an
 * order that the scheduler chooses; so callers overlap, and what they issue before the next answer shares a commit.
 */
export class ComparedStore extends SqliteAdmissionStore implements HostObserver {
  /** Without a place in a batch yet, in the order of issue. */
  #issued: Call[] = [];
  readonly #unanswered = new Set<Call>();
  #failure: unknown;
  /** What came up. */
  readonly seen = new Set<Sight>();

  /** How often the store has read its journal again: its accounts may be in another order since. */
  loads = 0;

  private constructor(
    queue: OperationQueue,
    private readonly host: FragileHost,
    /** What the queue waits by; the store's own time is another. */
    private readonly patience: TestClock,
    private readonly reference: ReferenceStore,
    private readonly scheduler: Scheduler,
    private readonly observer: StepObserver,
  ) {
    super(queue);
  }

  static async openOn(
    disk: Disk,
    clock: TestClock,
    reference: ReferenceStore,
    scheduler: Scheduler,
    observer: StepObserver,
  ): Promise<ComparedStore> {
    // Nothing can happen before the store is there, but its first load.
    let store: ComparedStore | undefined;
    const host = new FragileHost(clock, disk, reference.limits, {
      loaded: (...state) => (store === undefined ? reference.reload(...state) : store.loaded(...state)),
      made: (...batch) => store!.made(...batch),
      died: () => store!.died(),
    });
    const patience = new TestClock();
    const queue = await OperationQueue.open((listener) => host.open(listener), patience, {
      waitingMax: 10_000,
      timeoutMs: { fast: TIMEOUT_MS, patient: TIMEOUT_MS },
    });
    return (store = new ComparedStore(queue, host, patience, reference, scheduler, observer));
  }

  /** The host's process is killed. @param when `after-commit`: once the next commit is made, before its answers */
  kill(when: 'now' | 'after-commit'): void {
    this.host.kill(when);
  }

  /** The next commits fail. */
  failCommits(count: number): void {
    this.host.failCommits(count);
  }

  /** The next commit takes this long. */
  slowCommit(ms: number): void {
    this.host.slowCommit(ms);
  }

  /** What was called and has no answer yet is given up by its callers, and may be made all the same. */
  runOutOfPatience(): void {
    for (const call of this.#unanswered) call.mayFail = call.isGivenUp = true;
    this.patience.advance(TIMEOUT_MS + 50);
  }

  /** So much time passes that a host that was killed is there again. */
  reopen(): void {
    if (!this.host.isOpen) this.patience.advance(REOPENED_MS);
  }

  /** Nothing goes wrong any more. */
  recover(): void {
    this.host.spare();
    this.reopen();
  }

  /** @throws the first thing that was not as the reference has it */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Notes a failure that no caller may swallow. */
  attempt(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#failure ??= error;
    }
  }

  loaded(...state: Parameters<HostObserver['loaded']>): void {
    this.loads += 1;
    this.reference.reload(...state);
  }

  made(...[batch, host, commitMs]: Parameters<HostObserver['made']>): void {
    const settlements: Call[] = [];
    this.reference.batch.begin(commitMs);
    for (const [name, ok] of batch) {
      const call = this.#issued.shift();
      if (call?.name !== name)
        return this.attempt(() => {
          throw new Error(`${name} was made where ${call?.name ?? 'nothing'} was issued`);
        });
      call.mayFail ||= !ok;
      if (ok) this.attempt(() => this.#make(call, host));
      if (ok && name === 'settle') settlements.push(call);
    }
    this.#lapse(this.reference.batch.end(this.reference), settlements, host);
    if (batch.some(([, ok]) => !ok)) this.seen.add('commit failed');
    else this.attempt(() => this.observer.afterBatch(host));
    if (batch.length > 1) this.seen.add('several operations in one commit');
  }

  died(): void {
    this.#issued = [];
    for (const call of this.#unanswered) {
      call.mayFail = true;
      const isMade = call.expectation !== undefined;
      this.seen.add(
        isMade ? 'operation made before a crash and never answered' : 'operation lost by a crash',
      );
    }
  }

  protected override async operate<Name extends OperationName>(
    name: Name,
    args: ArgumentsOf<Name>,
    patience: Patience,
  ): Promise<ResultOf<Name>> {
    const isOpen = this.host.isOpen;
    const call: Call = { name, args, expectation: undefined, mayFail: !isOpen, isGivenUp: false };
    // A call without a host fails at once and has no place in the order.
    if (isOpen) this.#issued.push(call);
    this.#unanswered.add(call);
    const answer = super.operate(name, args, patience);
    const judged = answer.then(
      (result) => this.attempt(() => this.#judge(call, result)),
      (error: unknown) => this.attempt(() => this.#judgeFailure(call, error)),
    );
    await this.scheduler.schedule(judged, name);
    return answer;
  }

  #make(call: Call, host: StoreHost): void {
    const { name, args, isGivenUp } = call;
    this.#see(isGivenUp ? 'operation given up and made all the same' : undefined);
    this.#see(sightOf(name, args, this.reference));
    const { crowdedOut } = this.reference.tombstones;
    const expectation = expectationOf(name, this.reference, args, host.generation);
    this.#see(
      this.reference.tombstones.crowdedOut > crowdedOut ? 'tombstone forgotten before its time' : undefined,
    );
    call.expectation = expectation as Expectation<never>;
    this.#see(sightOfAnswer(expectation.expected));
    this.observer.afterOperation();
  }

  /** What was unmade is not answered as it was made. */
  #lapse(lapsed: ReadonlySet<string>, settlements: readonly Call[], host: StoreHost): void {
    for (const call of settlements) {
      const [{ kind, hold }] = call.args as ArgumentsOf<'settle'>;
      if (kind !== 'final' || !lapsed.has(hold.requestId)) continue;
      call.expectation = expectationOf(call.name, this.reference, call.args, host.generation) as never;
      this.#see('settlement lapsed in its commit');
    }
  }

  #see(sight: Sight | undefined): void {
    if (sight !== undefined) this.seen.add(sight);
  }

  #judge(call: Call, result: unknown): void {
    this.#unanswered.delete(call);
    if (call.expectation === undefined) throw new Error(`${call.name} was answered before it was made`);
    const seen = call.expectation.seen(result as never);
    // Jest's comparison is for the message only: it costs a hundred times as much.
    if (!isDeepStrictEqual(seen, call.expectation.expected)) expect(seen).toEqual(call.expectation.expected);
    if (call.name === 'settle') this.observer.settled(call.args[0] as Settlement, result as SettlementResult);
  }

  #judgeFailure(call: Call, error: unknown): void {
    this.#unanswered.delete(call);
    if (!(error instanceof Fault) || error.code !== 'service_unavailable' || !call.mayFail) throw error;
  }
}
