import type { StoredState } from '../domain/admission-state.js';
import type { Changes } from '../domain/request-book.js';

/** What one batch of operations changed. */
export interface Commit extends Changes {
  /** Outbox places up to this one are acknowledged. */
  readonly ackedSeq: number;
  /** Holds of a lost file may not have come back yet. Once they have, they have for good. */
  readonly incomplete: boolean;
  /** The batch contains a settlement: it must survive the loss of power. */
  readonly durable: boolean;
}

/** Where the state machine's state is kept at rest. Synchronous: it runs on a thread of its own. */
export abstract class Journal {
  /** Everything that was committed. */
  abstract load(): StoredState;

  /**
   * Writes one batch, all or nothing. Nothing changed is nothing written.
   * @throws if nothing was written
   */
  abstract commit(commit: Commit): void;

  abstract close(): void;
}
