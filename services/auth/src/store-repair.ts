import type { AccountRefresher } from './account-refresher.js';
import type { AccountPage } from './domain/operations.js';
import type { AdmissionStore } from './store/admission-store.js';

/** Accounts, or pending events, of one look. */
const BATCH = 1_000;
/** Pages of all accounts, so that a round ends. */
const PAGES_MAX = 10_000;

/**
 * Has accounts read again of which the store may not know the truth. It looks at what is and remembers nothing, so a
 * round that fails is made good by the next one.
 */
export class StoreRepair {
  constructor(
    private readonly store: Pick<AdmissionStore, 'stalePending' | 'takeWanted' | 'accountIds'>,
    private readonly refresher: Pick<AccountRefresher, 'refresh'>,
    /** A charge that is pending for longer than this may be applied already, and its publication lost. */
    private readonly staleMs: number,
  ) {}

  /**
   * One round: accounts with a charge that has been pending for long, and cold accounts that were asked for.
   * @returns number of accounts that were read
   * @throws Fault
   */
  async run(): Promise<number> {
    const stale = await this.store.stalePending(this.staleMs, BATCH);
    const wanted = await this.store.takeWanted(BATCH);
    const accountIds = new Set([...stale.map(({ accountId }) => accountId), ...wanted]);
    if (accountIds.size > 0) await this.refresher.refresh([...accountIds]);
    return accountIds.size;
  }

  /**
   * Reads every account that the store knows: after a start, when the store's file may be an older copy, and when
   * another catalog may have changed the limits of a tier.
   * @throws Fault
   */
  async all(): Promise<void> {
    let cursor: string | null = null;
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const { accountIds, next }: AccountPage = await this.store.accountIds(cursor, BATCH);
      if (accountIds.length > 0) await this.refresher.refresh(accountIds);
      if (next === null) return;
      cursor = next;
    }
  }
}
