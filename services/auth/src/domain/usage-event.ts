import { USAGE_EVENT_TYPE, type UsageEvent } from '@tunan/contracts';
import type { Settlement } from './operations.js';
import { settledRecord } from './ending.js';
import { eventIdOf, type EndedRecord } from './request-record.js';

/** CloudEvents `source` of every usage event. */
const SOURCE = '/tunan/auth';

/**
 * The usage event of a settled request: the same record always gives the same event, so that a repeated delivery is
 * a repetition. Undefined for a void and for a record whose event was acknowledged.
 */
export const usageEventOf = (record: EndedRecord): UsageEvent | undefined => {
  const { charge, detail, by } = record;
  const id = eventIdOf(record);
  if (charge === null || detail === null || by === 'void' || id === undefined) return undefined;
  const { served } = detail;
  return {
    specversion: '1.0',
    id,
    source: SOURCE,
    type: USAGE_EVENT_TYPE,
    subject: record.accountId,
    time: new Date(record.endedAtMs).toISOString(),
    ...(detail.traceparent === null ? {} : { traceparent: detail.traceparent }),
    data: {
      requestId: record.requestId,
      accountId: record.accountId,
      keyId: record.keyId,
      kind: by,
      outcome: detail.outcome,
      operation: detail.operation,
      stream: detail.stream,
      model: detail.model,
      provider: served?.provider ?? null,
      upstreamModel: served?.upstreamModel ?? null,
      channel: served?.channel ?? null,
      attempts: served?.attempts ?? 0,
      fallback: served?.fallback ?? false,
      completions: detail.completions,
      usage: charge.usage,
      catalogVersion: detail.catalogVersion,
      price: detail.price,
      cost: charge.cost,
      flags: [...charge.flags],
      ...(charge.means === undefined ? {} : { means: charge.means }),
    },
  };
};

/** The usage event that a settlement would leave. */
export const usageEventOfSettlement = (settlement: Settlement, nowMs: number): UsageEvent =>
  usageEventOf(settledRecord(settlement, settlement.charge, undefined, 0, nowMs))!;
