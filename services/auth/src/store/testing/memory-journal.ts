import { randomUUID } from 'node:crypto';
import type { StoredAccount, StoredState } from '../../domain/admission-state.js';
import { exactParse, exactStringify } from '../exact-json.js';
import { Journal, type Commit } from '../journal.js';
import { recordFromRow, recordToRow } from '../record-codec.js';

/** A journal as it was at one moment. */
export interface JournalCopy {
  readonly generation: string;
  readonly incomplete: boolean;
  readonly accounts: ReadonlyMap<string, string>;
  readonly records: ReadonlyMap<string, string>;
  readonly ackedSeq: number;
}

/** A journal in memory. What it keeps is text, as on a disk: nothing that is changed later changes what it keeps. */
export class MemoryJournal extends Journal {
  readonly #accounts: Map<string, string>;
  readonly #records: Map<string, string>;
  #ackedSeq: number;
  #incomplete: boolean;
  #failures = 0;
  readonly #generation: string;

  constructor({
    generation = randomUUID(),
    incomplete = true,
    accounts,
    records,
    ackedSeq,
  }: Partial<JournalCopy> = {}) {
    super();
    this.#generation = generation;
    this.#incomplete = incomplete;
    this.#accounts = new Map(accounts);
    this.#records = new Map(records);
    this.#ackedSeq = ackedSeq ?? 0;
  }

  /** What a copy of the files would contain. */
  copy(): JournalCopy {
    return {
      generation: this.#generation,
      incomplete: this.#incomplete,
      accounts: new Map(this.#accounts),
      records: new Map(this.#records),
      ackedSeq: this.#ackedSeq,
    };
  }

  /** Makes the next commits fail, as a full disk does. */
  failNext(commits: number): void {
    this.#failures = commits;
  }

  override load(): StoredState {
    return {
      generation: this.#generation,
      incomplete: this.#incomplete,
      ackedSeq: this.#ackedSeq,
      accounts: [...this.#accounts.values()].map((body) => exactParse(body) as StoredAccount),
      records: [...this.#records.values()].map((body) => recordFromRow(JSON.parse(body))),
    };
  }

  override commit({ accounts, records, ackedSeq, incomplete }: Commit): void {
    const same = ackedSeq === this.#ackedSeq && incomplete === this.#incomplete;
    if (accounts.size === 0 && records.size === 0 && same) return;
    if (this.#failures > 0) {
      this.#failures -= 1;
      throw new Error('the journal is full');
    }
    for (const { id, ledger, profile, promptFactor } of accounts)
      this.#accounts.set(id, exactStringify({ id, ledger, profile, promptFactor }));
    for (const [id, record] of records) {
      if (record === null) this.#records.delete(id);
      else this.#records.set(id, JSON.stringify(recordToRow(record)));
    }
    this.#ackedSeq = ackedSeq;
    this.#incomplete = incomplete;
  }

  override close(): void {}
}
