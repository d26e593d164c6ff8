import type { AccountRefresher } from './account-refresher.js';
import type { AccountPage } from './domain/operations.js';
import type { AdmissionStore } from './store/admission-store.js';

/** Accounts, or pending events, of one look. */
const BATCH = 1_000;
/** Pages of all accounts, so that a round ends. */
const PAGES_MAX = 10_000;

/**
 * Has accounts read again of which the store may not know the truth. It looks at what is, and remembers only where it goes
 * on, so a round that fails is made good by a later one.
 */
export class StoreRepair {
  /** True until every account that the store knows has been read: its file may be an older copy. */
  #allUnread = true;
  /** Where the next round goes on: charges that stay pending must not keep those behind them from their turn. */
  #staleCursor: string | null = null;

  constructor(
    private readonly store: Pick<AdmissionStore, 'stalePending' | 'takeWanted' | 'accountIds'>,
    private readonly refresher: Pick<AccountRefresher, 'refresh'>,
    /** A charge that is pending for longer than this may be applied already, and its publication lost. */
    private readonly staleMs: number,
  ) {}

  /** Every account is to be read again: another catalog may have changed the limits of a tier. */
  readAllAgain(): void {
    this.#allUnread = true;
  }

  /**
   * One round: accounts with a charge that has been pending for long, a page of them in turn, and cold accounts that were
   * asked for; the first round, and the one after `readAllAgain`, begins with every account that the store knows.
   * @param stopping the round ends early, between two pages
   * @returns number of accounts that were read
   * @throws Fault
   */
  async run(stopping?: AbortSignal): Promise<number> {
    const all = this.#allUnread ? await this.#readAll(stopping) : 0;
    if (stopping?.aborted) return all;
    const { events: stale, next } = await this.store.stalePending(this.staleMs, this.#staleCursor, BATCH);
    this.#staleCursor = next;
    const wanted = await this.store.takeWanted(BATCH);
    const accountIds = new Set([...stale.map(({ accountId }) => accountId), ...wanted]);
    if (accountIds.size > 0) await this.refresher.refresh([...accountIds]);
    return all + accountIds.size;
  }

  async #readAll(stopping: AbortSignal | undefined): Promise<number> {
    // Before the reads: what is asked for meanwhile is done by the next round.
    this.#allUnread = false;
    let read = 0;
    try {
      let cursor: string | null = null;
      for (let page = 0; page < PAGES_MAX; page += 1) {
        const { accountIds, next }: AccountPage = await this.store.accountIds(cursor, BATCH);
        if (accountIds.length > 0) await this.refresher.refresh(accountIds);
        read += accountIds.length;
        if (next === null || stopping?.aborted) break;
        cursor = next;
      }
    } catch (error) {
      this.#allUnread = true;
      throw error;
    }
    return read;
  }
}
