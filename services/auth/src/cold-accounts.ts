import type { AccountRefresher } from './account-refresher.js';

/** How the load of a cold account ended. `failed` says nothing about the account. */
export type LoadOutcome = 'loaded' | 'missing' | 'failed';

/** Accounts that may wait to be loaded; further ones are refused and asked for again by their client's retry. */
const WAITING_MAX = 1_000;

/** Accounts of one refresh. */
const BATCH_MAX = 200;

interface Load {
  readonly promise: Promise<LoadOutcome>;
  readonly resolve: (outcome: LoadOutcome) => void;
}

/**
 * Makes cold accounts hot on demand. Whoever asks for the same account shares its load, and accounts that are asked
 * for while one refresh is under way share the next one.
 */
export class ColdAccounts {
  readonly #loads = new Map<string, Load>();
  #queue: string[] = [];
  #running = false;

  constructor(
    private readonly refresher: Pick<AccountRefresher, 'refresh'>,
    private readonly onLoads: (outcome: LoadOutcome, count: number) => void,
  ) {}

  /** Never rejects. */
  load(accountId: string): Promise<LoadOutcome> {
    const known = this.#loads.get(accountId);
    if (known !== undefined) return known.promise;
    if (this.#loads.size >= WAITING_MAX) return Promise.resolve('failed');
    const load = Promise.withResolvers<LoadOutcome>();
    this.#loads.set(accountId, load);
    this.#queue.push(accountId);
    if (!this.#running) {
      this.#running = true;
      queueMicrotask(() => void this.#run());
    }
    return load.promise;
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const accountIds = this.#queue.splice(0, BATCH_MAX);
      const existing = await this.refresher.refresh(accountIds).catch(() => undefined);
      const counts = new Map<LoadOutcome, number>();
      for (const accountId of accountIds) {
        const outcome = existing === undefined ? 'failed' : existing.has(accountId) ? 'loaded' : 'missing';
        counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
        this.#loads.get(accountId)?.resolve(outcome);
        this.#loads.delete(accountId);
      }
      for (const [outcome, count] of counts) this.onLoads(outcome, count);
    }
    this.#running = false;
  }
}
