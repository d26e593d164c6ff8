import type { UsageEvent } from '@tunan/contracts';

/** What the ledger has of a request: asked where the store can't know. Every call is bounded in time. */
export abstract class UsageLedger {
  /**
   * The final usage event of a request; null if the ledger has none.
   * @throws Fault `service_unavailable`
   */
  abstract find(accountId: string, requestId: string): Promise<UsageEvent | null>;

  /**
   * Applies an event unless the ledger has one of its id: whichever came first stands, and is returned. Null: it can't
   * be applied, and was put aside.
   * @throws Fault `service_unavailable`
   */
  abstract book(event: UsageEvent): Promise<UsageEvent | null>;
}
