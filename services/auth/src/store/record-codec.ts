import type { Hold, Operation, Served, Usage } from '@tunan/contracts';
import type { TokenPrice } from '@tunan/kernel';
import type { Charge, Means } from '../domain/charge.js';
import type {
  EndedBy,
  EndedRecord,
  HeldRecord,
  RequestRecord,
  UsageDetail,
} from '../domain/request-record.js';

/*
 * Compact JSON of what every request writes to disk and sends between threads: arrays by position, amounts as decimal
 * strings. Measured, it costs a third of structured clone of the same objects. A position never gets a new meaning
 * and new ones go to the end, so that an older file can be read.
 */

export type HoldRow = readonly [
  requestId: string,
  accountId: string,
  keyId: string,
  model: string,
  operation: Operation,
  stream: boolean,
  catalogVersion: number,
  completions: number,
  promptLikely: number,
  promptBound: number,
  ceiling: number,
  amount: string,
  windowTokens: number,
  admittedAtMs: number,
];

export const holdToRow = (hold: Hold): HoldRow => [
  hold.requestId,
  hold.accountId,
  hold.keyId,
  hold.model,
  hold.operation,
  hold.stream,
  hold.catalogVersion,
  hold.completions,
  hold.promptLikely,
  hold.promptBound,
  hold.ceiling,
  hold.amount.toString(),
  hold.windowTokens,
  hold.admittedAtMs,
];

export const holdFromRow = (row: HoldRow): Hold => ({
  requestId: row[0],
  accountId: row[1],
  keyId: row[2],
  model: row[3],
  operation: row[4],
  stream: row[5],
  catalogVersion: row[6],
  completions: row[7],
  promptLikely: row[8],
  promptBound: row[9],
  ceiling: row[10],
  amount: BigInt(row[11]),
  windowTokens: row[12],
  admittedAtMs: row[13],
});

type UsageRow = readonly [prompt: number, cachedPrompt: number, completion: number, reasoning: number];

const usageToRow = (usage: Usage): UsageRow => [
  usage.prompt,
  usage.cachedPrompt,
  usage.completion,
  usage.reasoning,
];

const usageFromRow = (row: UsageRow): Usage => ({
  prompt: row[0],
  cachedPrompt: row[1],
  completion: row[2],
  reasoning: row[3],
});

type MeansRow = readonly [hold: string, reach: string | null];

/** Few charges have means; those that do, at the end. */
export type ChargeRow =
  | readonly [cost: string, usage: UsageRow, flags: Charge['flags']]
  | readonly [cost: string, usage: UsageRow, flags: Charge['flags'], means: MeansRow];

export const chargeToRow = ({ cost, usage, flags, means }: Charge): ChargeRow =>
  means === undefined
    ? [cost.toString(), usageToRow(usage), flags]
    : [
        cost.toString(),
        usageToRow(usage),
        flags,
        [means.hold.toString(), means.reach === null ? null : means.reach.toString()],
      ];

const meansFromRow = ([hold, reach]: MeansRow): Means => ({
  hold: BigInt(hold),
  reach: reach === null ? null : BigInt(reach),
});

export const chargeFromRow = (row: ChargeRow): Charge => ({
  cost: BigInt(row[0]),
  usage: usageFromRow(row[1]),
  flags: row[2],
  ...(row[3] === undefined ? {} : { means: meansFromRow(row[3]) }),
});

export type ServedRow = readonly [
  provider: string,
  upstreamModel: string,
  channel: string,
  attempts: number,
  fallback: boolean,
];

export const servedToRow = (served: Served): ServedRow => [
  served.provider,
  served.upstreamModel,
  served.channel,
  served.attempts,
  served.fallback,
];

export const servedFromRow = (row: ServedRow): Served => ({
  provider: row[0],
  upstreamModel: row[1],
  channel: row[2],
  attempts: row[3],
  fallback: row[4],
});

export type PriceRow = readonly [input: string, cachedInput: string, output: string];

export const priceToRow = (price: TokenPrice): PriceRow => [
  price.input.toString(),
  price.cachedInput.toString(),
  price.output.toString(),
];

export const priceFromRow = (row: PriceRow): TokenPrice => ({
  input: BigInt(row[0]),
  cachedInput: BigInt(row[1]),
  output: BigInt(row[2]),
});

type DetailRow = readonly [
  model: string,
  operation: Operation,
  stream: boolean,
  completions: number,
  catalogVersion: number,
  outcome: UsageDetail['outcome'],
  served: ServedRow | null,
  traceparent: string | null,
  price: PriceRow,
];

const detailToRow = (detail: UsageDetail): DetailRow => [
  detail.model,
  detail.operation,
  detail.stream,
  detail.completions,
  detail.catalogVersion,
  detail.outcome,
  detail.served && servedToRow(detail.served),
  detail.traceparent,
  priceToRow(detail.price),
];

const detailFromRow = (row: DetailRow): UsageDetail => ({
  model: row[0],
  operation: row[1],
  stream: row[2],
  completions: row[3],
  catalogVersion: row[4],
  outcome: row[5],
  served: row[6] && servedFromRow(row[6]),
  traceparent: row[7],
  price: priceFromRow(row[8]),
});

type HeldRow = readonly [kind: 'held', hold: HoldRow, lowered: boolean, deliveredTokens: number];

export type EndedRow = readonly [
  by: EndedBy,
  requestId: string,
  accountId: string,
  keyId: string,
  endedAtMs: number,
  admittedAtMs: number,
  countedRequests: 0 | 1,
  countedTokens: number,
  charge: ChargeRow | null,
  pending: boolean,
  seq: number,
  detail: DetailRow | null,
];

export const endedToRow = (record: EndedRecord): EndedRow => [
  record.by,
  record.requestId,
  record.accountId,
  record.keyId,
  record.endedAtMs,
  record.admittedAtMs,
  record.countedRequests,
  record.countedTokens,
  record.charge && chargeToRow(record.charge),
  record.pending,
  record.seq,
  record.detail && detailToRow(record.detail),
];

export const endedFromRow = (row: EndedRow): EndedRecord => ({
  kind: 'ended',
  by: row[0],
  requestId: row[1],
  accountId: row[2],
  keyId: row[3],
  endedAtMs: row[4],
  admittedAtMs: row[5],
  countedRequests: row[6],
  countedTokens: row[7],
  charge: row[8] && chargeFromRow(row[8]),
  pending: row[9],
  seq: row[10],
  detail: row[11] && detailFromRow(row[11]),
});

/** The lease is left out: it begins anew when the store opens. */
const heldFromRow = (row: HeldRow): HeldRecord => ({
  kind: 'held',
  hold: holdFromRow(row[1]),
  lowered: row[2],
  deliveredTokens: row[3],
  leaseEndsMs: 0,
});

export type RecordRow = HeldRow | EndedRow;

export const recordToRow = (record: RequestRecord): RecordRow =>
  record.kind === 'held'
    ? ['held', holdToRow(record.hold), record.lowered, record.deliveredTokens]
    : endedToRow(record);

export const recordFromRow = (row: RecordRow): RequestRecord =>
  row[0] === 'held' ? heldFromRow(row) : endedFromRow(row);
