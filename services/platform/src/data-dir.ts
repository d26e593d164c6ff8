import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** The data folder can't be used: one line that says why. */
export class DataDirError extends Error {}

/** The folder that holds everything this host keeps; held by one host at a time. */
export class DataDir {
  private constructor(
    readonly path: string,
    private readonly lock: DatabaseSync,
  ) {}

  /**
   * Creates the folder if need be and takes its lock. The lock is the operating system's and ends with the process,
   * however that ends, so a killed host leaves nothing to clean up.
   * @throws DataDirError if the folder can't be written or another host has it
   */
  static open(folder: string): DataDir {
    const path = resolve(folder);
    try {
      makeFolder(path);
      accessSync(path, constants.W_OK | constants.X_OK);
    } catch (error) {
      throw new DataDirError(
        `data folder ${path} cannot be written: ${(error as NodeJS.ErrnoException).code}`,
      );
    }
    return new DataDir(path, takeLock(path));
  }

  /**
   * A subfolder, created if need be.
   * @throws DataDirError if it can't be written
   */
  folder(name: string): string {
    const path = join(this.path, name);
    try {
      makeFolder(path);
      accessSync(path, constants.W_OK | constants.X_OK);
    } catch (error) {
      throw new DataDirError(`folder ${path} cannot be written: ${(error as NodeJS.ErrnoException).code}`);
    }
    return path;
  }

  release(): void {
    this.lock.close();
  }
}

/** Step by step: Node's own recursive creation never returns where the system answers ENOENT to every try (/proc). */
const makeFolder = (path: string): void => {
  if (existsSync(path)) {
    if (!statSync(path).isDirectory()) throw Object.assign(new Error('no folder'), { code: 'ENOTDIR' });
    return;
  }
  makeFolder(dirname(path));
  mkdirSync(path, { mode: 0o755 });
};

const takeLock = (path: string): DatabaseSync => {
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(join(path, 'host.lock'));
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock?.close();
    const busy = /locked/.test((error as Error).message);
    const reason = busy
      ? 'is in use by another running host'
      : `cannot be locked: ${(error as Error).message}`;
    throw new DataDirError(`data folder ${path} ${reason}`);
  }
};
