import type { BillingPort } from '@tunan/contracts';
import { Fault, within, type CancelTimer, type Clock } from '@tunan/kernel';
import type { Logger } from '@tunan/service-kit';
import type { Gauge } from 'prom-client';
import { openingEventId } from './domain/identifiers.js';
import type { AccountStore, UnopenedAccount } from './edges/account-store.js';
import { succeedsWithin } from './succeeds-within.js';

/** Time that one post may take: the call which makes an account waits no longer for its credit. */
const WAIT_MS = 5_000;
/** Pause between two looks while nothing fails. */
const INTERVAL_MS = 10_000;
const BACK_OFF_FIRST_MS = 1_000;
const BACK_OFF_MAX_MS = 60_000;
const STOP_WAIT_MS = 1_000;
/** Accounts that one look may post for. */
const BATCH = 100;

/**
 * Brings opening credits into the ledger. An account is stored first, with the credit that it is owed and
 * `opened_at` null; the post is idempotent by its event id and may come from the call that made the account or from the
 * loop, which looks at what is owed, not at what happened: no crash and no outage can lose or double a credit.
 */
export class OpeningCredits {
  #cancel: CancelTimer | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #failures = 0;
  #after = '';

  constructor(
    private readonly store: Pick<AccountStore, 'unopened' | 'markOpened'>,
    private readonly billing: Pick<BillingPort, 'post'>,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly waiting: Gauge,
  ) {}

  /** Posts the credit of one account. True if it is in the ledger within five seconds; if not, the loop goes on. */
  async open(account: UnopenedAccount): Promise<boolean> {
    return (await this.#attempt(account)) === 'posted';
  }

  /** Starts the loop with a look at once. */
  start(): void {
    this.#schedule(0);
  }

  /** Ends the loop and waits a moment for a look that runs. One that is cut off is made again by the next process. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await within(this.clock, STOP_WAIT_MS, this.#running, undefined);
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    this.#cancel = this.clock.after(delayMs, () => {
      this.#running = this.#look();
    });
  }

  async #look(): Promise<void> {
    try {
      const accounts = await this.store.unopened(this.#after, BATCH);
      this.waiting.set(accounts.length);
      for (const account of accounts) {
        if (this.#stopped) return;
        // Also where this one fails: the next look goes on behind it, so that no account holds up the others.
        this.#after = account.accountId;
        if ((await this.#attempt(account)) === 'away') throw new Error('billing does not take posts');
      }
      if (accounts.length < BATCH) this.#after = '';
      this.#failures = 0;
      this.#schedule(INTERVAL_MS);
    } catch (error) {
      this.#failures += 1;
      const backOffMs = Math.min(BACK_OFF_MAX_MS, BACK_OFF_FIRST_MS * 2 ** (this.#failures - 1));
      this.logger.warn({ err: error, backOffMs }, 'opening credits: looking again later');
      this.#schedule(backOffMs);
    }
  }

  /** A post that was `refused` will be refused again: it waits for a person and the others go on. */
  async #attempt(account: UnopenedAccount): Promise<'posted' | 'refused' | 'away'> {
    let refused = false;
    const posted = await succeedsWithin(this.clock, WAIT_MS, this.#post(account), (error) => {
      refused = error instanceof Fault && error.spec.owner === 'client';
      const message = refused ? 'opening credit was refused' : 'opening credit is not posted yet';
      this.logger.warn({ err: error, accountId: account.accountId }, message);
    });
    if (posted) return 'posted';
    return refused ? 'refused' : 'away';
  }

  async #post({ accountId, amount }: UnopenedAccount): Promise<void> {
    await this.billing.post({ eventId: openingEventId(accountId), accountId, kind: 'grant', amount });
    await this.store.markOpened(accountId);
  }
}
