import type { Charge } from '../../domain/charge.js';
import type { Settlement } from '../../domain/operations.js';
import type { ArgumentsOf, OperationName } from '../operation-codec.js';
import type { ReferenceStore } from './reference-store.js';

/** What has to come up in random histories for them to prove anything. */
export const SIGHTS = [
  'several operations in one commit',
  'operation denied for want of credit',
  'operation denied for want of a place in the outbox',
  'tombstone forgotten before its time',
  'charge beyond the means of its account',
  'charge that the ledger has to tell',
  'settlement repeated',
  'settlement lapsed',
  'settlement lapsed in its commit',
  'lease that ran out swept',
  'lease that ran out renewed',
  'settlement after its lease',
  'lost and then final',
  'operation made before a crash and never answered',
  'operation lost by a crash',
  'operation given up and made all the same',
  'commit failed',
  'news older than what is known',
  'charge pending that a read of Postgres does not contain',
] as const;

export type Sight = (typeof SIGHTS)[number];

const isLeaseOver = ({ requests, nowMs }: ReferenceStore, requestId: string): boolean => {
  const known = requests.get(requestId);
  return known?.state === 'held' && known.leaseEndsMs <= nowMs;
};

const settleSight = (reference: ReferenceStore, settlement: Settlement): Sight | undefined => {
  const { kind, hold, lapsesAtMs } = settlement;
  const known = reference.requests.get(hold.requestId);
  if (known?.state === kind) return 'settlement repeated';
  const isLate = isLeaseOver(reference, hold.requestId);
  if (kind === 'lost') return isLate ? 'lease that ran out swept' : undefined;
  if (lapsesAtMs !== undefined && lapsesAtMs <= reference.nowMs) return 'settlement lapsed';
  if (isLate) return 'settlement after its lease';
  return known?.state === 'lost' ? 'lost and then final' : undefined;
};

/** What comes up with the answer that the reference gives. */
export const sightOfAnswer = (expected: unknown): Sight | undefined => {
  if (typeof expected !== 'object' || expected === null) return undefined;
  const { reason, outcome, charge } = expected as {
    readonly reason?: string;
    readonly outcome?: string;
    readonly charge?: Charge;
  };
  if (reason === 'credit') return 'operation denied for want of credit';
  if (outcome === 'full') return 'operation denied for want of a place in the outbox';
  if (outcome === 'uncertain') return 'charge that the ledger has to tell';
  const isCut = outcome === 'settled' && charge?.flags.includes('overrun');
  return isCut ? 'charge beyond the means of its account' : undefined;
};

/** What comes up with an operation that is about to be made in the reference. */
export const sightOf = (
  name: OperationName,
  args: ArgumentsOf<OperationName>,
  reference: ReferenceStore,
): Sight | undefined => {
  if (name === 'settle') return settleSight(reference, args[0] as Settlement);
  if (name === 'renew') {
    const [{ requestId }] = args as ArgumentsOf<'renew'>;
    return isLeaseOver(reference, requestId) ? 'lease that ran out renewed' : undefined;
  }
  if (name !== 'publish') return undefined;
  const [publications, readUnder] = args as ArgumentsOf<'publish'>;
  for (const { accountId, ledger, appliedEventIds } of publications) {
    const known = reference.accounts.get(accountId)?.ledger;
    if (ledger !== null && known !== undefined && ledger.version < known.version)
      return 'news older than what is known';
    const pending = reference.stale(0).filter((event) => event.accountId === accountId);
    if (readUnder !== null && pending.some(({ eventId }) => !appliedEventIds.includes(eventId)))
      return 'charge pending that a read of Postgres does not contain';
  }
  return undefined;
};

/** In how many histories each sight came up. */
export class Sightings {
  readonly #times = new Map<Sight, number>(SIGHTS.map((sight) => [sight, 0]));

  add(seen: ReadonlySet<Sight>): void {
    for (const sight of seen) this.#times.set(sight, this.#times.get(sight)! + 1);
  }

  /** Sights that came up less often than this. */
  rarerThan(times: number): readonly (readonly [Sight, number])[] {
    return [...this.#times].filter(([, seen]) => seen < times);
  }
}
