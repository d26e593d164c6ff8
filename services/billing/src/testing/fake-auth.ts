import type { AuthPort, LedgerState, Publication } from '@tunan/contracts';

/** The admission store as billing sees it: assigns what is newer, and can be away or stuck. */
export class FakeAuth implements Pick<AuthPort, 'publish' | 'refresh'> {
  readonly ledgers = new Map<string, LedgerState>();
  readonly appliedEventIds = new Set<string>();
  readonly publications: Publication[] = [];
  readonly refreshed: string[][] = [];
  /** What every call does before anything else: throw to be away, wait for ever to be stuck. */
  before: () => Promise<void> = () => Promise.resolve();
  /** How a refresh reads the truth and records that it did. */
  onRefresh: (accountIds: readonly string[]) => Promise<void> = () => Promise.resolve();

  publish: AuthPort['publish'] = async ({ publications }) => {
    await this.before();
    for (const publication of publications) {
      const { accountId, ledger, appliedEventIds } = publication;
      this.publications.push(publication);
      if (ledger !== null && ledger.version > (this.ledgers.get(accountId)?.version ?? 0))
        this.ledgers.set(accountId, ledger);
      for (const eventId of appliedEventIds) this.appliedEventIds.add(eventId);
    }
    return {};
  };

  refresh: AuthPort['refresh'] = async ({ accountIds }) => {
    await this.before();
    this.refreshed.push(accountIds);
    await this.onRefresh(accountIds);
    return {};
  };
}
