import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Journal } from '../journal.js';
import { SqliteJournal } from '../sqlite-journal.js';
import { MemoryJournal } from './memory-journal.js';

/** Where a store's journal is, and what of it outlives the process that writes it. */
export interface Disk {
  /** Opens the journal on what is there. */
  open(): Journal;
  /** The process that writes is killed: what it has left is what is there from now on. */
  kill(): void;
  remove(): void;
}

/** Nothing is quicker, and nothing that is asked of a disk differs. */
export const aMemoryDisk = (): Disk => {
  let journal = new MemoryJournal();
  return {
    open: () => journal,
    kill: () => {
      journal = new MemoryJournal(journal.copy());
    },
    remove: () => undefined,
  };
};

/** Memory where there is a file system of it: waiting for a disk proves nothing here. */
const FOLDER = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** Files of a journal that are folded often. A kill copies them as they are, which is what a killed process leaves. */
export const aFileDisk = (): Disk => {
  const folder = mkdtempSync(join(FOLDER, 'tunan-admission-'));
  let life = 0;
  let journal: SqliteJournal | undefined;
  const file = (): string => join(folder, `life-${life}.sqlite`);
  return {
    open: () => (journal = new SqliteJournal({ file: file(), bytesMax: 1_000_000_000, foldRows: 7 })),
    kill: () => {
      const former = file();
      life += 1;
      for (const suffix of ['', '-wal'])
        if (existsSync(former + suffix)) copyFileSync(former + suffix, file() + suffix);
      journal?.close();
      for (const suffix of ['', '-wal']) rmSync(former + suffix, { force: true });
    },
    remove: () => {
      journal?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
