import {
  REPLAY_ACCOUNT_BYTES_MAX,
  type BeginIdempotentReply,
  type FindIdempotentReply,
  type IdempotentEnd,
  type IdempotentRequest,
} from '@tunan/contracts';
import type { Clock } from '@tunan/kernel';
import { IdempotentAnswers, type IsRunning } from '../ports/idempotent-answers.js';

const KEPT_MS = 24 * 3_600_000;
const NOT_STORED = { kind: 'not-stored' } as const;

interface Entry {
  readonly requestId: string;
  readonly requestHash: string;
  readonly expiresAtMs: number;
  leaseEndsAtMs: number;
  end: IdempotentEnd;
}

/** Marks in memory, with the leases and the day of the real ones. */
export class MemoryIdempotentAnswers extends IdempotentAnswers {
  readonly #entries = new Map<string, Entry>();
  /** What was kept, in order. */
  #kept: { readonly accountId: string; readonly bytes: number; readonly untilMs: number }[] = [];

  constructor(
    private readonly clock: Clock,
    private readonly leaseMs: number,
    private readonly bytesMax = REPLAY_ACCOUNT_BYTES_MAX,
  ) {
    super();
  }

  override find(request: IdempotentRequest, requestHash: string): Promise<FindIdempotentReply> {
    const entry = this.#entries.get(placeOf(request));
    const found = entry !== undefined && !hasRunOut(entry, this.clock.monotonicMs());
    return Promise.resolve(found ? toReply(entry, requestHash) : { outcome: 'none' });
  }

  override async begin(
    request: IdempotentRequest,
    requestHash: string,
    isRunning: IsRunning,
  ): Promise<BeginIdempotentReply> {
    const nowMs = this.clock.monotonicMs();
    const entry = this.#entries.get(placeOf(request));
    if (entry !== undefined && !hasRunOut(entry, nowMs)) return toReply(entry, requestHash);
    if (entry !== undefined && entry.expiresAtMs > nowMs && (await isRunning(entry.requestId)))
      return toReply(entry, requestHash);
    // Meanwhile somebody else may have taken it, or it was renewed.
    const later = this.#entries.get(placeOf(request));
    if (later !== undefined && !hasRunOut(later, nowMs)) return toReply(later, requestHash);
    this.#entries.set(placeOf(request), {
      requestId: request.requestId,
      requestHash,
      expiresAtMs: nowMs + KEPT_MS,
      leaseEndsAtMs: nowMs + this.leaseMs,
      end: { kind: 'running' },
    });
    return { outcome: 'begun' };
  }

  override end(request: IdempotentRequest, end: IdempotentEnd): Promise<boolean> {
    const place = placeOf(request);
    const entry = this.#entries.get(place);
    if (entry?.requestId !== request.requestId) return Promise.resolve(false);
    const kept = entry.end.kind === 'answered';
    if (end.kind === 'uncharged' ? kept : end.kind === 'answered' && end.settled && !kept)
      return Promise.resolve(false);
    if (end.kind === 'failed' || end.kind === 'uncharged') this.#entries.delete(place);
    else if (end.kind === 'running') entry.leaseEndsAtMs = this.clock.monotonicMs() + this.leaseMs;
    else entry.end = end.kind === 'answered' && !kept && !this.#fits(request, end.sealed) ? NOT_STORED : end;
    return Promise.resolve(true);
  }

  #fits({ accountId }: IdempotentRequest, sealed: string): boolean {
    const nowMs = this.clock.monotonicMs();
    const bytes = Buffer.byteLength(sealed, 'base64');
    this.#kept = this.#kept.filter(({ untilMs }) => untilMs > nowMs);
    const before = this.#kept.filter((kept) => kept.accountId === accountId);
    if (before.reduce((sum, kept) => sum + kept.bytes, bytes) > this.bytesMax) return false;
    this.#kept.push({ accountId, bytes, untilMs: nowMs + KEPT_MS });
    return true;
  }

  override purge(limit: number): Promise<number> {
    const nowMs = this.clock.monotonicMs();
    const old = [...this.#entries].filter(([, { expiresAtMs }]) => expiresAtMs <= nowMs).slice(0, limit);
    for (const [place] of old) this.#entries.delete(place);
    return Promise.resolve(old.length);
  }
}

const placeOf = ({ keyId, idempotencyHash }: IdempotentRequest): string => `${keyId} ${idempotencyHash}`;

const hasRunOut = ({ end, expiresAtMs, leaseEndsAtMs }: Entry, nowMs: number): boolean =>
  expiresAtMs <= nowMs || (end.kind === 'running' && leaseEndsAtMs <= nowMs);

const toReply = (entry: Entry, requestHash: string): Exclude<FindIdempotentReply, { outcome: 'none' }> => {
  const { requestId, end } = entry;
  if (entry.requestHash !== requestHash) return { outcome: 'reused' };
  if (end.kind === 'answered')
    return { outcome: 'answered', requestId, settled: end.settled, sealed: end.sealed };
  return { outcome: end.kind === 'not-stored' ? 'not-stored' : 'running', requestId };
};
