import { eventIdOf } from '../../domain/request-record.js';
import type { ArgumentsOf, OperationName, ResultOf } from '../operation-codec.js';
import type { ReferenceStore } from './reference-store.js';

/** Reads per minute of an account. */
const READS_PER_MINUTE = 120;

/** What the reference says to one operation, and how the store's answer is brought into the same form. */
export interface Expectation<Result> {
  readonly expected: unknown;
  readonly seen: (result: Result) => unknown;
}

type Rule<Name extends OperationName> = (
  reference: ReferenceStore,
  args: ArgumentsOf<Name>,
  generation: string,
) => Expectation<ResultOf<Name>>;

const same = <Result>(expected: unknown): Expectation<Result> => ({ expected, seen: (result) => result });

/** Events before the first one that may still be unmade. */
const untilOpen = (reference: ReferenceStore, events: ReturnType<ReferenceStore['outbox']>) => {
  const open = events.findIndex(({ eventId }) =>
    reference.batch.lapsing.has(eventId.slice(0, eventId.lastIndexOf(':'))),
  );
  return open === -1 ? events : events.slice(0, open);
};

interface Named {
  readonly hold: { readonly requestId: string };
}
const byRequest = (a: Named, b: Named): number => a.hold.requestId.localeCompare(b.hold.requestId);

/** Says only whether a read has to wait, not how long. */
const inspected = (reference: ReferenceStore, ...[accountId, keyId, countedAs]: ArgumentsOf<'inspect'>) => {
  const { ledger, profile, reads } = reference.account(accountId);
  const left = reference.left(accountId);
  if (left === undefined || reference.capLeft(accountId, keyId) === 'unknown') {
    reference.wanted.add(accountId);
    return { outcome: 'cold' };
  }
  if (countedAs === 'read') reads.push(reference.nowMs);
  const second = Math.floor(reference.nowMs / 1000);
  const counted = reads.filter((ms) => Math.floor(ms / 1000) > second - 60);
  const pending = [...reference.requests.values()].filter(
    (request) => request.pending && request.hold.accountId === accountId,
  );
  return {
    outcome: 'known',
    keyActive: profile!.keys.some(
      (key) =>
        key.keyId === keyId && key.status === 'active' && (key.expiresAtMs ?? Infinity) > reference.nowMs,
    ),
    left,
    spent: ledger!.spent + (ledger!.balance - left),
    requests: ledger!.requests + pending.length,
    limits: reference.limitsOf(accountId, keyId),
    waits: countedAs === 'read' && counted.length > READS_PER_MINUTE,
  };
};

/** Makes each operation in the reference, in one step, and says what its answer has to be. */
const RULES: { readonly [Name in OperationName]: Rule<Name> } = {
  admit: (reference, [request]) => same(reference.admit(request)),
  renew: (reference, [hold, delivered]) => same(reference.renew(hold, delivered)),
  settle: (reference, [settlement]) => same(reference.settle(settlement)),
  void: (reference, [requestId, accountId, giveBack]) => same(reference.void(requestId, accountId, giveBack)),
  findUsage: (reference, [accountId, requestId]) => {
    const known = reference.requests.get(requestId);
    const isThere =
      known !== undefined &&
      known.seq > 0 &&
      !known.acked &&
      known.hold.accountId === accountId &&
      !reference.batch.lapsing.has(requestId);
    return {
      expected: isThere ? `${requestId}:${known.state}` : null,
      seen: (record) => record && eventIdOf(record),
    };
  },
  inspect: (reference, args) => ({
    expected: inspected(reference, ...args),
    seen: (result) => {
      if (result.outcome === 'cold') return result;
      const { outcome, keyActive, left, spent, requests, limits, retryAfterMs } = result;
      return { outcome, keyActive, left, spent, requests, limits, waits: retryAfterMs !== null };
    },
  }),
  publish: (reference, [publications, readUnder], generation) => {
    if (readUnder !== null && readUnder !== generation) return same(false);
    reference.publish(publications, readUnder !== null);
    return same(true);
  },
  // The reference has every hold from the beginning.
  nothingLost: () => same(undefined),
  isHeld: (reference, [requestId]) => same(reference.requests.get(requestId)?.state === 'held'),
  // Leases that end at the same moment may be named in any order.
  expiredHolds: (reference, [, except]) => ({
    expected: reference
      .expired()
      .filter(
        ({ hold }) =>
          !except.some(
            ({ catalogVersion, model }) => hold.catalogVersion === catalogVersion && hold.model === model,
          ),
      )
      .sort(byRequest),
    seen: (expired) => [...expired].sort(byRequest),
  }),
  readOutbox: (reference, [limit]) => ({
    expected: untilOpen(reference, reference.outbox().slice(0, limit)),
    seen: (records) => records.map((record) => ({ seq: record.seq, eventId: eventIdOf(record) })),
  }),
  ackOutbox: (reference, [throughSeq]) => same(reference.ack(throughSeq)),
  takeWanted: (reference) => {
    const expected = [...reference.wanted].sort();
    reference.wanted.clear();
    return { expected, seen: (wanted) => [...wanted].sort() };
  },
  pendingOf: (reference, [accountIds, limitEach]) => ({
    expected: accountIds
      .flatMap((one) =>
        reference
          .stale(0)
          .filter(({ accountId }) => accountId === one)
          .slice(0, limitEach),
      )
      .map(({ eventId }) => eventId)
      .sort(),
    seen: (pending) => pending.map(({ eventId }) => eventId).sort(),
  }),
  stalePending: (reference, [olderThanMs, cursor, limit]) => {
    const stale = reference.stale(olderThanMs).filter(({ seq }) => seq > Number(cursor ?? 0));
    const page = stale.slice(0, limit);
    return same({
      events: page.map(({ accountId, eventId }) => ({ accountId, eventId })),
      next: stale.length > limit ? String(page.at(-1)!.seq) : null,
    });
  },
  deliveredPending: (reference, [olderThanMs, limit]) =>
    same(
      reference
        .stale(olderThanMs)
        .filter(({ acked }) => acked)
        .slice(0, limit)
        .map(({ accountId, eventId }) => ({ accountId, eventId })),
    ),
  agedHolds: (reference, [olderThanMs]) => ({
    expected: [...reference.requests.values()]
      .filter(({ state, hold }) => state === 'held' && hold.admittedAtMs <= reference.nowMs - olderThanMs)
      .map(({ hold }) => hold.requestId)
      .sort(),
    seen: (holds) => holds.map(({ requestId }) => requestId).sort(),
  }),
  ledgersOf: (reference, [accountIds]) =>
    same(
      accountIds.flatMap((accountId) => {
        const ledger = reference.accounts.get(accountId)?.ledger;
        return ledger === undefined ? [] : [{ accountId, ledger }];
      }),
    ),
  // An account may be known without a trace: what is promised is looked at over all pages.
  accountIds: () => ({ expected: true, seen: ({ accountIds }) => Array.isArray(accountIds) }),
  purge: (reference) => same(reference.purge()),
  stats: (reference) => ({
    expected: reference.stats(),
    seen: ({ holds, pending, tombstones, outboxDepth }) => ({ holds, pending, tombstones, outboxDepth }),
  }),
};

/** Makes an operation in the reference. @param generation of the store at this moment */
export const expectationOf = <Name extends OperationName>(
  name: Name,
  reference: ReferenceStore,
  args: ArgumentsOf<Name>,
  generation: string,
): Expectation<ResultOf<Name>> => (RULES[name] as Rule<Name>)(reference, args, generation);
