import type { CatalogIndex } from '@tunan/contracts';
import { rerate, type Rerating } from './domain/rerate.js';
import type { PriceArchive } from './ports/price-archive.js';
import type { ChargedRequest } from './ports/usage-reader.js';

/** A request beside what its catalog snapshot says. */
export interface RatedRequest {
  readonly request: ChargedRequest;
  /** The snapshot that its event names; undefined if there is none. */
  readonly snapshot: CatalogIndex | undefined;
  readonly rating: Rerating;
}

/** Rates a page of requests, each snapshot read once. Events that another one of their request supersedes are left out. */
export const rateRequests = async (
  requests: readonly ChargedRequest[],
  prices: PriceArchive,
): Promise<readonly RatedRequest[]> => {
  const snapshots = new Map<number, CatalogIndex | undefined>();
  const rated: RatedRequest[] = [];
  for (const request of requests) {
    if (request.superseded) continue;
    const version = request.event?.data.catalogVersion;
    if (version !== undefined && !snapshots.has(version))
      snapshots.set(version, await prices.snapshot(version));
    const snapshot = version === undefined ? undefined : snapshots.get(version);
    rated.push({ request, snapshot, rating: rerate(request, snapshot) });
  }
  return rated;
};
