import type { Clock } from '@tunan/kernel';
import { AdmissionState, type StoreLimits } from '../domain/admission-state.js';
import type { StoreLife } from '../domain/store-life.js';
import type { Journal } from './journal.js';
import { codecOf, type ArgumentsOf, type OperationName, type ResultOf } from './operation-codec.js';

/** One operation of a batch: its name and its encoded arguments. */
export type OperationRow = readonly [name: OperationName, args: unknown];

/** Answer to one operation: its encoded result, or why it failed. */
export type ResultRow = readonly [ok: true, result: unknown] | readonly [ok: false, message: string];

/**
 * The state machine and its journal: applies batches of operations and answers only after the commit. If a commit
 * fails, every operation of the batch fails and the state is read from the journal again, so that nothing is ever
 * answered that is not at rest.
 */
export class StoreHost {
  #state: AdmissionState;
  /** True while memory may be ahead of the journal. */
  #stale = false;

  constructor(
    private readonly clock: Clock,
    private readonly limits: StoreLimits,
    private readonly journal: Journal,
  ) {
    this.#state = this.#load();
  }

  get generation(): string {
    return this.#state.generation;
  }

  /** Runs the operations in order, commits once and returns their answers in order. */
  run(batch: readonly OperationRow[]): readonly ResultRow[] {
    let results: ResultRow[];
    try {
      this.#catchUp();
    } catch (error) {
      return failed(batch, error);
    }
    try {
      results = batch.map((row) => this.#answer(row));
    } catch (error) {
      // One operation that can't be carried out must not take the others of its batch with it.
      return batch.length === 1 ? failed(batch, error) : this.#runOneByOne(batch);
    }
    try {
      const lapsed = this.#commit(batch.some(([name]) => name === 'settle'));
      return lapsed.size === 0
        ? results
        : batch.map((row, index) => this.#afterLapse(row, lapsed, results[index]!));
    } catch (error) {
      return failed(batch, error);
    }
  }

  /** Runs one operation and commits it. */
  apply<Name extends OperationName>(name: Name, args: ArgumentsOf<Name>): ResultOf<Name> {
    this.#catchUp();
    const result = this.#operate(name, args);
    const lapsed = this.#commit(name === 'settle');
    // Asked again, a settlement that lapsed is refused.
    return lapsed.size === 0 ? result : this.#ask(name, args);
  }

  close(): void {
    this.journal.close();
  }

  #runOneByOne(batch: readonly OperationRow[]): readonly ResultRow[] {
    const results: ResultRow[] = [];
    for (const row of batch) {
      try {
        this.#catchUp();
      } catch (error) {
        return results.concat(failed(batch.slice(results.length), error));
      }
      results.push(...this.run([row]));
    }
    return results;
  }

  #answer([name, row]: OperationRow): ResultRow {
    const codec = codecOf(name);
    const args = codec.decodeArguments(row);
    return [true, codec.encodeResult(this.#operate(name, args), args)];
  }

  /** The answer to an operation that was committed, given what of its batch was unmade. */
  #afterLapse([name, row]: OperationRow, lapsed: ReadonlySet<string>, result: ResultRow): ResultRow {
    if (name !== 'settle') return result;
    const codec = codecOf(name);
    const args = codec.decodeArguments(row);
    const [{ kind, hold }] = args;
    if (kind !== 'final' || !lapsed.has(hold.requestId)) return result;
    return [true, codec.encodeResult(this.#ask(name, args), args)];
  }

  #operate<Name extends OperationName>(name: Name, args: ArgumentsOf<Name>): ResultOf<Name> {
    // From here on memory is ahead, until the commit: an operation that throws half-way spoils its batch too.
    this.#stale = true;
    return this.#ask(name, args);
  }

  #ask<Name extends OperationName>(name: Name, args: ArgumentsOf<Name>): ResultOf<Name> {
    const method = this.#state[name] as (...all: ArgumentsOf<Name>) => ResultOf<Name>;
    return method.apply(this.#state, args);
  }

  /**
   * Commits what was done. The disk may have taken longer than a settlement may be made: that is unmade before anybody is
   * told of it. @returns its request
   */
  #commit(isSettled: boolean): ReadonlySet<string> {
    this.#write(isSettled);
    const lapsed = this.#state.committed();
    if (lapsed.size > 0) {
      this.#stale = true;
      this.#write(false);
      this.#state.committed();
    }
    this.#stale = false;
    return lapsed;
  }

  #write(isSettled: boolean): void {
    const { ackedSeq, incomplete, life } = this.#state;
    // What is unmade was refused to somebody: that has to outlast a loss of power as well.
    const durable = isSettled || life.lapsed.size > 0;
    this.journal.commit({ ...this.#state.takeChanges(), ackedSeq, incomplete, durable });
  }

  #catchUp(): void {
    if (!this.#stale) return;
    // It is the same file: what was verified by an earlier commit is so still, and nobody but us has written to it.
    this.#state = this.#load(this.#state.life);
    this.#stale = false;
  }

  #load(life?: StoreLife): AdmissionState {
    return new AdmissionState(this.clock, this.limits, this.journal.load(), life);
  }
}

const failed = (batch: readonly OperationRow[], error: unknown): readonly ResultRow[] => {
  const message = error instanceof Error ? error.message : String(error);
  return batch.map(() => [false, message]);
};

/** Most operations of one commit. */
export const BATCH_OPERATIONS_MAX = 1_024;

/** What a host sends back: the answers to all operations of the batches it was given, in order. */
export interface BatchReply {
  /** JSON of the {@link ResultRow}s. */
  readonly results: string;
  readonly operations: number;
  readonly seconds: number;
}

/** Answers batches that have come in together with one commit. */
export const answerBatches = (host: StoreHost, clock: Clock, batches: readonly string[]): BatchReply => {
  const startMs = clock.monotonicMs();
  const operations = batches.flatMap((text) => JSON.parse(text) as OperationRow[]);
  const results = JSON.stringify(host.run(operations));
  return { results, operations: operations.length, seconds: (clock.monotonicMs() - startMs) / 1000 };
};
