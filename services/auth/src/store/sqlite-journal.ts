import { randomUUID } from 'node:crypto';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { StoredAccount, StoredState } from '../domain/admission-state.js';
import { requestIdOf, type RequestRecord } from '../domain/request-record.js';
import { exactParse, exactStringify } from './exact-json.js';
import { Journal, type Commit } from './journal.js';
import { recordFromRow, recordToRow, type RecordRow } from './record-codec.js';

/** Version of the tables and of the rows in them. */
const FORMAT = '1';

/** Larger pages halve the number of writes of a commit; measured best between 8 and 16 KiB. */
const PAGE_BYTES = 16_384;

/** The log is folded into the tables when this many requests have changed since, which bounds the pause. */
const FOLD_REQUESTS = 2_000;

/** Or when the log has this many rows, which bounds its size. */
const FOLD_ROWS = 500;

/**
 * `log` holds what was committed since the last fold, one row per commit: `[ackedSeq, rows]`, where a row is a record
 * or `["removed", id]`. It is read in order on top of the tables.
 */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS account(id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS request(id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS log(seq INTEGER PRIMARY KEY, body TEXT NOT NULL);
`;

const upsert = (table: string, key: string, value: string): string =>
  `INSERT INTO ${table}(${key}, ${value}) VALUES(?, ?) ON CONFLICT(${key}) DO UPDATE SET ${value} = excluded.${value}`;

const STATEMENTS = {
  begin: 'BEGIN IMMEDIATE',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
  putMeta: upsert('meta', 'name', 'value'),
  removeMeta: 'DELETE FROM meta WHERE name = ?',
  putAccount: upsert('account', 'id', 'body'),
  putRequest: upsert('request', 'id', 'body'),
  removeRequest: 'DELETE FROM request WHERE id = ?',
  append: 'INSERT INTO log(body) VALUES(?)',
  emptyLog: 'DELETE FROM log',
} as const;

/** Settings of a {@link SqliteJournal}. */
export interface SqliteJournalOptions {
  /** Path of the database file; its folder exists. */
  readonly file: string;
  /** Largest size of the database, in bytes; a commit beyond fails. */
  readonly bytesMax: number;
  /** Rows of the log after which it is folded into the tables. */
  readonly foldRows?: number;
}

/** Another process has the file open. */
export class StoreLockedError extends Error {
  constructor(file: string) {
    super(`another process uses the admission store ${file}: stop it, or choose another data folder`);
    this.name = 'StoreLockedError';
  }
}

/**
 * The journal in one SQLite file: WAL, one transaction per batch, an exclusive lock for as long as it is open. A
 * settlement's commit waits for the disk; others only for the operating system, which survives the death of this
 * process but not the loss of power. Then the file is as it was at an earlier commit, and no settlement is missing.
 *
 * A commit appends one row to the log. A request changes three or four times within seconds, and a row of its own
 * for each change costs twice as much; so the log is folded into the tables now and then, one row per request.
 */
export class SqliteJournal extends Journal {
  readonly #database: DatabaseSync;
  readonly #statements: Readonly<Record<keyof typeof STATEMENTS, StatementSync>>;
  /** Requests that the log has and the tables don't; null: removed. */
  #unfolded = new Map<string, RequestRecord | null>();
  readonly #foldRows: number;
  #logRows = 0;
  #ackedSeq = 0;
  #incomplete = false;
  #durable = true;

  /** @throws StoreLockedError if another process has the file open */
  constructor({ file, bytesMax, foldRows = FOLD_ROWS }: SqliteJournalOptions, Database = DatabaseSync) {
    super();
    this.#foldRows = foldRows;
    this.#database = open(new Database(file, { timeout: 0 }), file, bytesMax);
    this.#statements = Object.fromEntries(
      Object.entries(STATEMENTS).map(([name, sql]) => [name, this.#database.prepare(sql)]),
    ) as Record<keyof typeof STATEMENTS, StatementSync>;
  }

  override load(): StoredState {
    const meta = this.#table('SELECT name, value AS body FROM meta', 'name');
    const format = meta.get('format');
    if (format !== FORMAT)
      throw new Error(`the admission store has format ${format}, this version reads ${FORMAT}`);
    this.#incomplete = meta.has(INCOMPLETE);
    const records = new Map<string, RequestRecord>();
    for (const [id, body] of this.#table('SELECT id, body FROM request', 'id'))
      records.set(id, recordFromRow(JSON.parse(body)));
    this.#replay(Number(meta.get('acked_seq') ?? 0));
    for (const [id, record] of this.#unfolded) {
      if (record === null) records.delete(id);
      else records.set(id, record);
    }
    return {
      generation: meta.get('generation')!,
      incomplete: this.#incomplete,
      ackedSeq: this.#ackedSeq,
      accounts: [...this.#table('SELECT id, body FROM account', 'id').values()].map(
        (body) => exactParse(body) as StoredAccount,
      ),
      records: [...records.values()],
    };
  }

  override commit(change: Commit): void {
    const { accounts, records, ackedSeq, incomplete, durable } = change;
    const same = ackedSeq === this.#ackedSeq && incomplete === this.#incomplete;
    if (accounts.size === 0 && records.size === 0 && same) return;
    this.#synchronise(durable);
    const { begin, commit, rollback } = this.#statements;
    begin.run();
    try {
      this.#write(change);
      commit.run();
    } catch (error) {
      // SQLite rolls some failures back itself; a second rollback must not hide the first error.
      if (this.#database.isTransaction) rollback.run();
      throw error;
    }
    this.#ackedSeq = ackedSeq;
    this.#incomplete = incomplete;
  }

  override close(): void {
    this.#database.close();
  }

  #write({ accounts, records, ackedSeq, incomplete }: Commit): void {
    const { removeMeta, putAccount, append } = this.#statements;
    if (this.#incomplete && !incomplete) removeMeta.run(INCOMPLETE);
    for (const { id, ledger, profile, promptFactor } of accounts)
      putAccount.run(id, exactStringify({ id, ledger, profile, promptFactor }));
    for (const [id, record] of records) this.#unfolded.set(id, record);
    if (this.#unfolded.size >= FOLD_REQUESTS || this.#logRows >= this.#foldRows) return this.#fold(ackedSeq);
    const rows = [...records].map(([id, record]): LogRow =>
      record === null ? [REMOVED, id] : recordToRow(record),
    );
    append.run(JSON.stringify([ackedSeq, rows]));
    this.#logRows += 1;
  }

  /** Moves what the log has into the tables. After a failed commit the caller loads again, which restores the rest. */
  #fold(ackedSeq: number): void {
    const { putMeta, putRequest, removeRequest, emptyLog } = this.#statements;
    putMeta.run('acked_seq', String(ackedSeq));
    for (const [id, record] of this.#unfolded) {
      if (record === null) removeRequest.run(id);
      else putRequest.run(id, JSON.stringify(recordToRow(record)));
    }
    emptyLog.run();
    this.#unfolded.clear();
    this.#logRows = 0;
  }

  /** Reads the log on top of what the tables say. */
  #replay(ackedSeq: number): void {
    this.#unfolded.clear();
    this.#logRows = 0;
    this.#ackedSeq = ackedSeq;
    for (const body of this.#table('SELECT seq, body FROM log ORDER BY seq', 'seq').values()) {
      const [acked, rows] = JSON.parse(body) as readonly [number, readonly LogRow[]];
      this.#logRows += 1;
      this.#ackedSeq = acked;
      for (const row of rows) {
        if (row[0] === REMOVED) {
          this.#unfolded.set(row[1], null);
        } else {
          const record = recordFromRow(row);
          this.#unfolded.set(requestIdOf(record), record);
        }
      }
    }
  }

  #table(sql: string, key: string): Map<string, string> {
    const rows = this.#database.prepare(sql).all();
    return new Map(rows.map((row) => [String(row[key]), String(row['body'])]));
  }

  #synchronise(durable: boolean): void {
    if (durable === this.#durable) return;
    this.#database.exec(`PRAGMA synchronous = ${durable ? 'FULL' : 'NORMAL'}`);
    this.#durable = durable;
  }
}

const REMOVED = 'removed';

/** In a new file, until it is known to have every hold: a start in between has to wait again. */
const INCOMPLETE = 'incomplete';

/** What the log says of one request: its record, or that it was forgotten. */
type LogRow = RecordRow | readonly [typeof REMOVED, requestId: string];

const open = (database: DatabaseSync, file: string, bytesMax: number): DatabaseSync => {
  try {
    // The lock is taken by the first transaction and kept until the process ends, however it ends.
    database.exec(`
      PRAGMA page_size = ${PAGE_BYTES};
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      BEGIN EXCLUSIVE;
      ${SCHEMA}
    `);
    const insert = database.prepare(
      'INSERT INTO meta(name, value) VALUES(?, ?) ON CONFLICT(name) DO NOTHING',
    );
    insert.run('format', FORMAT);
    const { changes: isNew } = insert.run('generation', randomUUID());
    if (isNew) insert.run(INCOMPLETE, '1');
    database.exec(`COMMIT; PRAGMA max_page_count = ${Math.max(1, Math.floor(bytesMax / PAGE_BYTES))}`);
    return database;
  } catch (error) {
    database.close();
    throw isLocked(error) ? new StoreLockedError(file) : error;
  }
};

const SQLITE_BUSY = 5;

/** By its shape: errors of Node's own modules are not instances of the `Error` of every realm. */
const isLocked = (error: unknown): boolean =>
  typeof error === 'object' &&
  error !== null &&
  'errcode' in error &&
  (Number(error.errcode) & 0xff) === SQLITE_BUSY;
