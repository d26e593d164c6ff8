import { CatalogIndex, type AuthPort, type Port, type authContract } from '@tunan/contracts';
import { Fault, type CancelTimer, type Clock } from '@tunan/kernel';
import type { Dependency, Health } from './health.js';
import type { Logger } from './logger.js';

const POLL_MS = 2_000;
/** While there is no catalog at all the process can't serve: ask more often. */
const FIRST_POLL_MS = 200;

/**
 * The active catalog, polled from `auth`. Once it has been read it never goes away: what is not reachable leaves the
 * last snapshot in force.
 */
export class CatalogView {
  #index: CatalogIndex | undefined;
  #cancel: CancelTimer | undefined;
  #stopped = false;
  readonly #dependency: Dependency;

  constructor(
    private readonly auth: Pick<Port<typeof authContract> | AuthPort, 'catalog'>,
    private readonly clock: Clock,
    private readonly logger: Logger,
    health: Health,
  ) {
    this.#dependency = health.dependency('catalog');
  }

  /**
   * The active catalog.
   * @throws Fault `service_unavailable` before the first snapshot has come
   */
  get current(): CatalogIndex {
    if (this.#index !== undefined) return this.#index;
    throw new Fault('service_unavailable', 'The service is starting. Please retry.', { retryAfterMs: 1_000 });
  }

  /** Polls until `stop`. Does not wait for the first snapshot: readiness does. */
  start(): void {
    void this.#poll();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  async #poll(): Promise<void> {
    try {
      const { snapshot } = await this.auth.catalog({
        knownVersion: this.#index?.version ?? null,
        version: null,
      });
      if (snapshot !== null) {
        this.#index = new CatalogIndex(snapshot);
        this.logger.info({ version: snapshot.version }, 'catalog loaded');
      }
      if (this.#index === undefined) this.#dependency.down('no catalog is active');
      else this.#dependency.up(`version ${this.#index.version}`);
    } catch (error) {
      const { message } = Fault.from(error);
      this.#dependency.down(message);
      this.logger.debug({ err: message }, 'catalog not read');
    }
    if (this.#stopped) return;
    this.#cancel = this.clock.after(
      this.#index === undefined ? FIRST_POLL_MS : POLL_MS,
      () => void this.#poll(),
    );
  }
}
