import { chmodSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';

const SQLITE_BUSY = 5;

/**
 * A lock that the operating system drops when its holder dies, however it dies: no stale lock files, no guessing
 * about reused process ids. Node has no file locks of its own; SQLite's exclusive lock is one.
 */
export class FolderLock {
  readonly #file: DatabaseSync;

  private constructor(file: DatabaseSync) {
    this.#file = file;
  }

  /**
   * Takes the lock at once or not at all.
   * @throws EmbeddedPostgresError if another process has it
   */
  static acquire(path: string, folder: string): FolderLock {
    const file = new DatabaseSync(path);
    try {
      // Nothing is ever written, so there is nothing to keep a journal of.
      file.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
      chmodSync(path, 0o600);
      return new FolderLock(file);
    } catch (error) {
      file.close();
      if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
      throw new EmbeddedPostgresError(`${folder} is in use by another process`, { cause: error });
    }
  }

  /** Gives the lock up. Harmless the second time. */
  release(): void {
    if (this.#file.isOpen) this.#file.close();
  }
}
