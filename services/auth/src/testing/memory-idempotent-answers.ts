import type { BeginIdempotentReply, IdempotentEnd, IdempotentRequest } from '@tunan/contracts';
import { IdempotentAnswers } from '../ports/idempotent-answers.js';

interface Entry {
  readonly requestId: string;
  readonly requestHash: string;
  end: IdempotentEnd;
}

/** Marks in memory; none of them runs out. */
export class MemoryIdempotentAnswers extends IdempotentAnswers {
  readonly #entries = new Map<string, Entry>();

  override begin(request: IdempotentRequest, requestHash: string): Promise<BeginIdempotentReply> {
    const place = placeOf(request);
    const entry = this.#entries.get(place);
    if (entry === undefined) {
      this.#entries.set(place, { requestId: request.requestId, requestHash, end: { kind: 'running' } });
      return Promise.resolve({ outcome: 'begun' });
    }
    const { requestId, end } = entry;
    if (entry.requestHash !== requestHash) return Promise.resolve({ outcome: 'reused' });
    if (end.kind === 'answered')
      return Promise.resolve({ outcome: 'answered', requestId, settled: end.settled, sealed: end.sealed });
    return Promise.resolve({ outcome: end.kind === 'not-stored' ? 'not-stored' : 'running', requestId });
  }

  override end(request: IdempotentRequest, end: IdempotentEnd): Promise<void> {
    const place = placeOf(request);
    const entry = this.#entries.get(place);
    if (entry?.requestId === request.requestId) {
      if (end.kind === 'failed') this.#entries.delete(place);
      else entry.end = end;
    }
    return Promise.resolve();
  }

  override purge(): Promise<number> {
    return Promise.resolve(0);
  }
}

const placeOf = ({ keyId, idempotencyHash }: IdempotentRequest): string => `${keyId} ${idempotencyHash}`;
