import { maxNano, type Nano } from '@tunan/kernel';
import { isHot, isSpendKnown, reachOf, type AccountState } from './account-state.js';
import type { Charge, Means } from './charge.js';
import { PROMPT_PERMILLE } from './hold.js';
import type { Settlement } from './operations.js';
import type { EndedRecord, HeldRecord, RequestRecord } from './request-record.js';

/** What a request takes out of `available` at the moment: its hold, or the charge that a settlement replaces. */
const takenBy = (known: RequestRecord | undefined): Nano => {
  if (known === undefined) return 0n;
  return known.kind === 'held' ? known.hold.amount : (known.charge?.cost ?? 0n);
};

/** What a charge may take beyond what its request has taken. Where that is not known, nothing. */
const reachBeyond = (account: AccountState, keyId: string): Nano | undefined => {
  const key = account.key(keyId);
  return isHot(account) && isSpendKnown(account, keyId, key) ? reachOf(account, keyId, key) : undefined;
};

/** The charge as far as nothing but its hold is known to be there. */
export const withinHold = ({ hold, charge }: Settlement): Charge =>
  overrun(charge, { hold: hold.amount, reach: null });

/** A charge that its means don't cover: up to the hold always, above it as far as they are known to reach. */
const overrun = (charge: Charge, means: Means): Charge => {
  const cost = maxNano(means.hold, means.reach ?? means.hold);
  return cost >= charge.cost ? charge : { ...charge, cost, flags: [...charge.flags, 'overrun'], means };
};

/**
 * The charge as far as the means of account and key reach: up to the hold always, above it from what is available now
 * and within the key's cap. What is left is our loss.
 */
export const withinMeans = (
  { hold, charge }: Settlement,
  known: RequestRecord | undefined,
  account: AccountState,
): Charge => {
  const amount = known?.kind === 'held' ? known.hold.amount : hold.amount;
  if (charge.cost <= amount) return charge;
  const beyond = reachBeyond(account, hold.keyId);
  return overrun(charge, { hold: amount, reach: beyond === undefined ? null : beyond + takenBy(known) });
};

/**
 * Thousandths by which the real prompt of a request passed its likely one, if the request cost more than its hold
 * and the usual factor does not explain it.
 */
export const observedPermille = ({ hold, charge }: Settlement): number | undefined => {
  const likely = hold.promptLikely * hold.completions;
  const passed = charge.cost > hold.amount || charge.flags.includes('overrun');
  if (!passed || likely === 0) return undefined;
  const permille = Math.ceil((charge.usage.prompt * 1000) / likely);
  return permille > PROMPT_PERMILLE ? permille : undefined;
};

/** Tokens that stay counted: those that are charged, and upstream work that nobody pays for. */
const countedTokensOf = ({ unpaidTokens }: Settlement, { cost, flags, usage }: Charge): number => {
  if (cost === 0n && unpaidTokens !== undefined) return unpaidTokens;
  return flags.includes('uncharged') ? 0 : usage.prompt + usage.completion;
};

/** The record of a request that is settled now. */
export const settledRecord = (
  settlement: Settlement,
  charge: Charge,
  known: RequestRecord | undefined,
  seq: number,
  nowMs: number,
): EndedRecord => {
  const { hold, outcome, served, traceparent, price } = settlement;
  const { model, operation, stream, completions, catalogVersion } = hold;
  return {
    kind: 'ended',
    requestId: hold.requestId,
    accountId: hold.accountId,
    keyId: hold.keyId,
    by: settlement.kind,
    endedAtMs: nowMs,
    admittedAtMs: known?.kind === 'ended' ? known.admittedAtMs : (known?.hold ?? hold).admittedAtMs,
    countedRequests: known?.kind === 'ended' ? known.countedRequests : 1,
    countedTokens: countedTokensOf(settlement, charge),
    charge,
    pending: charge.cost > 0n,
    seq,
    detail: { model, operation, stream, completions, catalogVersion, outcome, served, traceparent, price },
  };
};

/** The record of a settlement that lapsed before it was at rest: its client is told of an error, and pays nothing. */
export const unmadeRecord = (record: EndedRecord): EndedRecord => {
  const { usage, flags } = record.charge!;
  return {
    ...record,
    countedTokens: 0,
    charge: { cost: 0n, usage, flags: [...flags.filter((flag) => flag !== 'overrun'), 'uncharged'] },
    pending: false,
    detail: record.detail && { ...record.detail, outcome: 'failed' },
  };
};

/** Whether a settlement asks for a charge that was taken back. */
export const isUnmade = (charge: Charge, asked: Settlement): boolean =>
  charge.flags.includes('uncharged') && !asked.charge.flags.includes('uncharged');

/** The record of a request that is given up now; `known` is its hold, if there was one. */
export const voidedRecord = (
  requestId: string,
  accountId: string,
  giveBackRequest: boolean,
  known: HeldRecord | undefined,
  nowMs: number,
): EndedRecord => ({
  kind: 'ended',
  requestId,
  accountId: known?.hold.accountId ?? accountId,
  keyId: known?.hold.keyId ?? '',
  by: 'void',
  endedAtMs: nowMs,
  admittedAtMs: known?.hold.admittedAtMs ?? nowMs,
  countedRequests: known === undefined || giveBackRequest ? 0 : 1,
  countedTokens: 0,
  charge: null,
  pending: false,
  seq: 0,
  detail: null,
});
