import type { DayUsage, UsageEvent } from '@tunan/contracts';
import type { Nano } from '@tunan/kernel';

/** What to sum up by day and model. */
export interface DayRange {
  readonly accountId: string;
  /** Null: all keys of the account. */
  readonly keyId: string | null;
  /** `YYYY-MM-DD`, both included. */
  readonly from: string;
  readonly through: string;
}

/** A request as the ledger has it: its usage event, and what the ledger took for it. */
export interface ChargedRequest {
  readonly eventId: string;
  readonly accountId: string;
  /** Null: the ledger has a charge, but not its event, or one that can't be read. */
  readonly event: UsageEvent | null;
  /** True for a `lost` event whose request also has a `final` one, which alone is charged. */
  readonly superseded: boolean;
  /** Charges less corrections of the request, over both of its events. */
  readonly charged: Nano;
}

/** Requests in the order of their event ids. */
export interface ChargedPage {
  /** May be none though there is a next page. */
  readonly requests: readonly ChargedRequest[];
  /** Event id to go on after; null at the end. */
  readonly next: string | null;
}

/** Reads what usage events and the ledger say about requests. Every read is one snapshot, and bounded. */
export abstract class UsageReader {
  /** The event that the ledger charges for a request of this account: `final` if there is one, else `lost`. */
  abstract find(accountId: string, requestId: string): Promise<UsageEvent | null>;

  /** Charges by day and model, in that order. */
  abstract byDay(range: DayRange): Promise<readonly DayUsage[]>;

  /** Requests of one account or of all, with charges whose event is missing among them. */
  abstract charged(accountId: string | null, afterEventId: string, limit: number): Promise<ChargedPage>;

  /** Id of the next event or transfer of anybody; null if there is none. */
  abstract eventIdAfter(afterEventId: string): Promise<string | null>;
}
