import { randomUUID } from 'node:crypto';
import { Fault, type Clock } from '@tunan/kernel';
import type { StoreLimits } from '../../domain/admission-state.js';
import { MachineAdmissionStore } from '../machine-admission-store.js';
import type { ArgumentsOf, OperationName, ResultOf } from '../operation-codec.js';
import { StoreHost } from '../store-host.js';
import { MemoryJournal, type JournalCopy } from './memory-journal.js';

/** Bounds that tests use unless they say otherwise. */
export const TEST_LIMITS: StoreLimits = {
  leaseMs: 60_000,
  returnMs: 0,
  tombstoneMs: 3_600_000,
  tombstonesMax: 10_000,
  outboxMax: 10_000,
};

/**
 * The admission store in memory, over the real state machine: every operation happens at the call, its answer comes
 * with the next turn of the promise queue. For simulations under virtual time.
 */
export class MemoryAdmissionStore extends MachineAdmissionStore {
  #journal: MemoryJournal;
  #host: StoreHost;
  #closed = false;

  constructor(
    private readonly clock: Clock,
    private readonly limits: StoreLimits = TEST_LIMITS,
    generation: string = randomUUID(),
  ) {
    super();
    this.#journal = new MemoryJournal({ generation });
    this.#host = this.#open();
  }

  /** The store's process is killed and started again: what was answered is there. */
  restart(): void {
    this.#host = this.#open();
  }

  /** The store's content is lost. */
  reset(generation: string = randomUUID()): void {
    this.#journal = new MemoryJournal({ generation });
    this.#host = this.#open();
  }

  /** A copy of the store's file, and the return of an older one in place of what is there. */
  copy(): JournalCopy {
    return this.#journal.copy();
  }

  restore(copy: JournalCopy): void {
    this.#journal = new MemoryJournal(copy);
    this.#host = this.#open();
  }

  /** Makes the next commits fail. */
  failNext(commits: number): void {
    this.#journal.failNext(commits);
  }

  override generation(): Promise<string> {
    return Promise.resolve(this.#host.generation);
  }

  override close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  protected override operate<Name extends OperationName>(
    name: Name,
    args: ArgumentsOf<Name>,
  ): Promise<ResultOf<Name>> {
    try {
      if (this.#closed) throw new Error('closed');
      return Promise.resolve(this.#host.apply(name, args));
    } catch (cause) {
      return Promise.reject(new Fault('service_unavailable', 'The service is not available.', { cause }));
    }
  }

  #open(): StoreHost {
    return new StoreHost(this.clock, this.limits, this.#journal);
  }
}
