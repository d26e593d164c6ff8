import type { Hold, Limits, LimitState, Operation } from '@tunan/contracts';
import type { AdmissionState } from '../domain/admission-state.js';
import type { Admission } from '../domain/hold.js';
import type { AdmissionResult, Settlement } from '../domain/operations.js';
import { exactParse, exactStringify } from './exact-json.js';
import {
  chargeFromRow,
  chargeToRow,
  endedFromRow,
  endedToRow,
  holdFromRow,
  holdToRow,
  priceFromRow,
  priceToRow,
  servedFromRow,
  servedToRow,
  type ChargeRow,
  type EndedRow,
  type HoldRow,
  type PriceRow,
  type ServedRow,
} from './record-codec.js';

/** The operations of the state machine that travel between threads. */
export type Operations = Pick<
  AdmissionState,
  | 'admit'
  | 'renew'
  | 'settle'
  | 'void'
  | 'findUsage'
  | 'inspect'
  | 'publish'
  | 'nothingLost'
  | 'isHeld'
  | 'expiredHolds'
  | 'readOutbox'
  | 'ackOutbox'
  | 'takeWanted'
  | 'pendingOf'
  | 'stalePending'
  | 'deliveredPending'
  | 'agedHolds'
  | 'ledgersOf'
  | 'accountIds'
  | 'purge'
  | 'stats'
>;
export type OperationName = keyof Operations;
export type ArgumentsOf<Name extends OperationName> = Parameters<Operations[Name]>;
export type ResultOf<Name extends OperationName> = ReturnType<Operations[Name]>;

/**
 * How one operation's arguments and result are written: as values that JSON keeps. A result may leave out what its
 * arguments say.
 */
export interface OperationCodec<
  Args extends readonly unknown[],
  Result,
  ArgsRow = unknown,
  ResultRow = unknown,
> {
  readonly encodeArguments: (args: Args) => ArgsRow;
  readonly decodeArguments: (row: ArgsRow) => Args;
  readonly encodeResult: (result: Result, args: Args) => ResultRow;
  readonly decodeResult: (row: ResultRow, args: Args) => Result;
}

/** The codec of a named operation whose rows have these types. */
type CodecOf<Name extends OperationName, ArgsRow, ResultRow> = OperationCodec<
  ArgumentsOf<Name>,
  ResultOf<Name>,
  ArgsRow,
  ResultRow
>;

type AdmissionRow = readonly [
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
  ceiling: number | null,
  price: PriceRow,
  ceilingDefault: number,
];

const admissionToRow = (request: Admission): AdmissionRow => [
  request.requestId,
  request.accountId,
  request.keyId,
  request.model,
  request.operation,
  request.stream,
  request.catalogVersion,
  request.completions,
  request.promptLikely,
  request.promptBound,
  request.ceiling,
  priceToRow(request.price),
  request.ceilingDefault,
];

const admissionFromRow = (row: AdmissionRow): Admission => ({
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
  price: priceFromRow(row[11]),
  ceilingDefault: row[12],
});

type LimitsRow = readonly [
  requestLimit: number,
  requestsRemaining: number,
  requestsResetMs: number,
  tokenLimit: number,
  tokensRemaining: number,
  tokensResetMs: number,
];

const limitsToRow = ({ requests, tokens }: Limits): LimitsRow => [
  requests.limit,
  requests.remaining,
  requests.resetMs,
  tokens.limit,
  tokens.remaining,
  tokens.resetMs,
];

const limitState = (limit: number, remaining: number, resetMs: number): LimitState => ({
  limit,
  remaining,
  resetMs,
});

const limitsFromRow = (row: LimitsRow): Limits => ({
  requests: limitState(row[0], row[1], row[2]),
  tokens: limitState(row[3], row[4], row[5]),
});

/** The parts of a hold that come from its request. */
const asRequested = (request: Admission) => ({
  requestId: request.requestId,
  accountId: request.accountId,
  keyId: request.keyId,
  model: request.model,
  operation: request.operation,
  stream: request.stream,
  catalogVersion: request.catalogVersion,
  completions: request.completions,
  promptLikely: request.promptLikely,
  promptBound: request.promptBound,
});

/** False for a repeated request that differs from the one that was granted. */
const isAsRequested = (hold: Hold, request: Admission): boolean =>
  hold.accountId === request.accountId &&
  hold.keyId === request.keyId &&
  hold.model === request.model &&
  hold.operation === request.operation &&
  hold.stream === request.stream &&
  hold.catalogVersion === request.catalogVersion &&
  hold.completions === request.completions &&
  hold.promptLikely === request.promptLikely &&
  hold.promptBound === request.promptBound;

type GrantRow = readonly [ceiling: number, amount: string, windowTokens: number, admittedAtMs: number];

type AdmissionResultRow =
  | readonly [
      grant: GrantRow | null,
      hold: HoldRow | null,
      lowered: boolean,
      limits: LimitsRow,
      leaseMs: number,
    ]
  /** Anything but a grant, in general form. */
  | string;

const admissionResultToRow = (result: AdmissionResult, request: Admission): AdmissionResultRow => {
  if (result.outcome !== 'granted') return exactStringify(result);
  const { hold, lowered, limits, leaseMs } = result;
  if (!isAsRequested(hold, request)) return [null, holdToRow(hold), lowered, limitsToRow(limits), leaseMs];
  const grant: GrantRow = [hold.ceiling, hold.amount.toString(), hold.windowTokens, hold.admittedAtMs];
  return [grant, null, lowered, limitsToRow(limits), leaseMs];
};

const admissionResultFromRow = (row: AdmissionResultRow, request: Admission): AdmissionResult => {
  if (typeof row === 'string') return exactParse(row) as AdmissionResult;
  const [grant, whole, lowered, limits, leaseMs] = row;
  const hold: Hold =
    grant === null
      ? holdFromRow(whole!)
      : {
          ...asRequested(request),
          ceiling: grant[0],
          amount: BigInt(grant[1]),
          windowTokens: grant[2],
          admittedAtMs: grant[3],
        };
  return { outcome: 'granted', hold, lowered, limits: limitsFromRow(limits), leaseMs };
};

const admit: CodecOf<'admit', AdmissionRow, AdmissionResultRow> = {
  encodeArguments: ([request]) => admissionToRow(request),
  decodeArguments: (row) => [admissionFromRow(row)],
  encodeResult: (result, [request]) => admissionResultToRow(result, request),
  decodeResult: (row, [request]) => admissionResultFromRow(row, request),
};

/** The result is the lease, or null if the request has ended. */
const renew: CodecOf<'renew', readonly [HoldRow, deliveredTokens: number], number | null> = {
  encodeArguments: ([hold, deliveredTokens]) => [holdToRow(hold), deliveredTokens],
  decodeArguments: (row) => [holdFromRow(row[0]), row[1]],
  encodeResult: (result) => (result.outcome === 'renewed' ? result.leaseMs : null),
  decodeResult: (leaseMs) => (leaseMs === null ? { outcome: 'settled' } : { outcome: 'renewed', leaseMs }),
};

type SettlementRow = readonly [
  kind: Settlement['kind'],
  hold: HoldRow,
  charge: ChargeRow,
  outcome: Settlement['outcome'],
  served: ServedRow | null,
  traceparent: string | null,
  price: PriceRow,
  lapsesAtMs: number | null,
  booked: boolean,
  unpaidTokens: number | null,
];

const settlementToRow = (settlement: Settlement): SettlementRow => [
  settlement.kind,
  holdToRow(settlement.hold),
  chargeToRow(settlement.charge),
  settlement.outcome,
  settlement.served && servedToRow(settlement.served),
  settlement.traceparent,
  priceToRow(settlement.price),
  settlement.lapsesAtMs ?? null,
  settlement.booked === true,
  settlement.unpaidTokens ?? null,
];

const settlementFromRow = (row: SettlementRow): Settlement => ({
  kind: row[0],
  hold: holdFromRow(row[1]),
  charge: chargeFromRow(row[2]),
  outcome: row[3],
  served: row[4] && servedFromRow(row[4]),
  traceparent: row[5],
  price: priceFromRow(row[6]),
  lapsesAtMs: row[7] ?? undefined,
  booked: row[8],
  unpaidTokens: row[9] ?? undefined,
});

/** The charge only if it is another than the one asked for; `repeated` is null if nothing was settled. */
type SettlementResultRow = readonly [
  charge: ChargeRow | null,
  repeated: boolean | null,
  limits: LimitsRow | null,
];

/** Null: refused. */
const settle: CodecOf<'settle', SettlementRow, SettlementResultRow | null> = {
  encodeArguments: ([settlement]) => settlementToRow(settlement),
  decodeArguments: (row) => [settlementFromRow(row)],
  encodeResult: (result, [settlement]) => {
    if (result.outcome === 'refused') return null;
    const charge = result.charge === settlement.charge ? null : chargeToRow(result.charge);
    if (result.outcome === 'uncertain') return [charge, null, null];
    return [charge, result.repeated, result.limits && limitsToRow(result.limits)];
  },
  decodeResult: (row, [settlement]) => {
    if (row === null) return { outcome: 'refused' };
    const charge = row[0] === null ? settlement.charge : chargeFromRow(row[0]);
    return row[1] === null
      ? { outcome: 'uncertain', charge }
      : { outcome: 'settled', charge, repeated: row[1], limits: row[2] && limitsFromRow(row[2]) };
  },
};

const readOutbox: CodecOf<'readOutbox', readonly [limit: number], readonly EndedRow[]> = {
  encodeArguments: (args) => args,
  decodeArguments: (row) => [row[0]],
  encodeResult: (records) => records.map(endedToRow),
  decodeResult: (rows) => rows.map(endedFromRow),
};

/** Whatever is not written once per request: text of its own, amounts included. */
const GENERAL: OperationCodec<readonly unknown[], unknown, string, string | null> = {
  encodeArguments: exactStringify,
  decodeArguments: (text) => exactParse(text) as readonly unknown[],
  encodeResult: (result) => (result === undefined ? null : exactStringify(result)),
  decodeResult: (text) => (text === null ? undefined : exactParse(text)),
};

const COMPACT = new Map<OperationName, unknown>(
  Object.entries({ admit, renew, settle, readOutbox }) as never,
);

/** The codec of an operation. */
export const codecOf = <Name extends OperationName>(
  name: Name,
): OperationCodec<ArgumentsOf<Name>, ResultOf<Name>> =>
  (COMPACT.get(name) ?? GENERAL) as OperationCodec<ArgumentsOf<Name>, ResultOf<Name>>;
