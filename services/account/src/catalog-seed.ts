import { readFile } from 'node:fs/promises';
import { ConfigError } from '@tunan/config';
import type { CatalogWire } from '@tunan/contracts';
import type { CancelTimer, Clock } from '@tunan/kernel';
import type { Dependency, Logger } from '@tunan/service-kit';
import { parseCatalog } from './catalog-document.js';
import type { CatalogStore } from './edges/catalog-store.js';

const RETRY_MS = 1_000;

/** A catalog file that can't be used: every problem, one line. A setting that is wrong, as far as an operator can see. */
export class CatalogFileError extends ConfigError {
  constructor(problem: string) {
    super([`CATALOG_FILE: ${problem}`]);
  }
}

/**
 * Reads a catalog file.
 * @throws CatalogFileError
 */
export const readCatalogFile = async (path: string): Promise<CatalogWire> => {
  try {
    return parseCatalog(await readFile(path, 'utf8'));
  } catch (error) {
    throw new CatalogFileError(`${path}: ${(error as Error).message.split('\n', 1)[0]}`);
  }
};

/** Fills an empty database with the catalog file, once, and never again: from then on the catalog is data. */
export class CatalogSeed {
  #cancel: CancelTimer | undefined;
  #stopped = false;

  constructor(
    private readonly store: Pick<CatalogStore, 'isEmpty' | 'seed'>,
    private readonly path: string,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly dependency: Dependency,
  ) {}

  /**
   * Resolves after the first try. A database that is away is tried again in the background.
   * @throws CatalogFileError if the file is needed and can't be used
   */
  async start(): Promise<void> {
    try {
      await this.#seed();
      this.dependency.up();
    } catch (error) {
      if (error instanceof CatalogFileError) throw error;
      this.dependency.down((error as Error).message);
      this.logger.warn({ err: error }, 'catalog: database not reachable yet');
      if (!this.#stopped) this.#cancel = this.clock.after(RETRY_MS, () => void this.#retry());
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  async #retry(): Promise<void> {
    try {
      await this.start();
    } catch (error) {
      this.dependency.down((error as Error).message);
      this.logger.error({ err: error }, 'catalog: cannot be loaded');
    }
  }

  async #seed(): Promise<void> {
    if (!(await this.store.isEmpty())) return;
    const version = await this.store.seed(
      await readCatalogFile(this.path),
      `first catalog, from ${this.path}`,
    );
    if (version !== null) this.logger.info({ version: Number(version) }, 'catalog seeded');
  }
}
