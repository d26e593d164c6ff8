import type { AuthPort } from '@tunan/contracts';
import type { Clock } from '@tunan/kernel';
import type { Logger } from '@tunan/service-kit';
import type { Counter } from 'prom-client';
import { succeedsWithin } from './succeeds-within.js';

/** Time that a change has to reach the admission store before the caller is told that it has not yet. */
const WAIT_MS = 1_000;

/**
 * Tells auth to read a changed account again. The change is committed by then: a refresh that fails costs time, not
 * truth, because billing's repair loop publishes every account whose version is ahead of what was published.
 */
export class ProfileRefresh {
  constructor(
    private readonly auth: AuthPort,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly failures: Counter,
  ) {}

  /** Waits up to a second. True if the change is in effect at every edge that asks auth. */
  run(accountId: string): Promise<boolean> {
    const refresh = this.auth.refresh({ accountIds: [accountId] });
    return succeedsWithin(this.clock, WAIT_MS, refresh, (error) => {
      this.failures.inc();
      this.logger.warn({ err: error, accountId }, 'refresh failed; the repair loop will publish the account');
    });
  }
}
