import type { DenialReason, Limits } from '@tunan/contracts';
import type { Nano } from '@tunan/kernel';
import {
  availableOf,
  capLeft,
  isKeyActive,
  limitsOf,
  reachOf,
  type HotAccount,
  type KeyState,
} from './account-state.js';
import { chooseCeiling, holdAmount, windowTokens, type Admission, type HoldBasis } from './hold.js';

/** What an admitted request is given. */
export interface Grant {
  readonly granted: true;
  readonly ceiling: number;
  readonly lowered: boolean;
  readonly amount: Nano;
  readonly windowTokens: number;
}

/** Why a request is not admitted. Nothing was counted for it. */
export interface Denial {
  readonly granted: false;
  readonly reason: DenialReason;
  readonly limits: Limits | null;
  /** After this time the same request is admitted if nothing else is sent; null if waiting does not help. */
  readonly retryAfterMs: number | null;
  readonly needed: Nano | null;
  readonly available: Nano | null;
}

/**
 * Where only running requests are in the way, one of them may end at any moment: the time after which trying again
 * makes sense, in milliseconds.
 */
const RUNNING_RETRY_MS = 1_000;

const NEVER = Number.POSITIVE_INFINITY;

/**
 * Decides about one request; changes nothing. Denials come in the order of the wire contract: key and account
 * status, model, key cap, requests, concurrency, credit, tokens.
 */
export const decide = (request: Admission, account: HotAccount, nowMs: number): Grant | Denial => {
  const key = account.key(request.keyId);
  const refusal = statusDenial(request, account, key, nowMs);
  if (refusal !== null)
    return denial(refusal, refusal === 'invalid_api_key' ? null : limitsOf(account, key, nowMs));

  const { completions, promptLikely, promptBound, price } = request;
  const basis: HoldBasis = {
    completions,
    promptLikely,
    promptBound,
    price,
    promptPermille: account.promptPermille(nowMs),
  };
  const available = availableOf(account);
  const cap = capLeft(account, request.keyId, key);
  const reach = reachOf(account, request.keyId, key);
  // One request must not take everything while the account may still start others.
  const budget = account.live + 1 < account.profile.limits.concurrency ? reach / 2n : reach;
  const ceiling = chooseCeiling(basis, request.ceiling, request.ceilingDefault, budget);
  const amount = holdAmount(basis, ceiling);
  const tokens = windowTokens(request, ceiling);

  const waits: readonly Wait[] = [
    { reason: 'key_cap_reached', waitMs: cap === null ? 0 : fundsWaitMs(amount, cap, key.held), have: cap },
    { reason: 'requests', waitMs: windowWaitMs('requests', account, key, 1, nowMs), have: null },
    { reason: 'concurrency', waitMs: concurrencyWaitMs(account, key), have: null },
    { reason: 'credit', waitMs: fundsWaitMs(amount, available, account.held), have: available },
    { reason: 'tokens', waitMs: windowWaitMs('tokens', account, key, tokens, nowMs), have: null },
  ];
  const first = waits.find((wait) => wait.waitMs > 0);
  if (first === undefined)
    return {
      granted: true,
      ceiling,
      lowered: request.ceiling === null && ceiling < request.ceilingDefault,
      amount,
      windowTokens: tokens,
    };
  const waitMs = Math.max(...waits.map((wait) => wait.waitMs));
  return {
    ...denial(first.reason, limitsOf(account, key, nowMs)),
    retryAfterMs: waitMs === NEVER ? null : waitMs,
    // Where funds are short the ceiling is already the smallest that would be granted.
    ...(first.have === null ? {} : { needed: amount, available: first.have }),
  };
};

/** One condition of admission: how long until it holds, 0 if it does. */
interface Wait {
  readonly reason: DenialReason;
  readonly waitMs: number;
  /** The funds that the condition is about. */
  readonly have: Nano | null;
}

const denial = (reason: DenialReason, limits: Limits | null): Denial => ({
  granted: false,
  reason,
  limits,
  retryAfterMs: null,
  needed: null,
  available: null,
});

const statusDenial = (
  request: Admission,
  account: HotAccount,
  key: KeyState,
  nowMs: number,
): DenialReason | null => {
  if (!isKeyActive(key, nowMs)) return 'invalid_api_key';
  if (account.profile.status === 'suspended') return 'account_suspended';
  if (account.profile.status === 'unverified') return 'email_unverified';
  const models = key.profile?.models ?? null;
  return models === null || models.includes(request.model) ? null : 'model_not_allowed';
};

/** Funds are there, or come back when running requests end, or are not there. */
const fundsWaitMs = (amount: Nano, have: Nano, held: Nano): number => {
  if (amount <= have) return 0;
  return amount <= have + held ? RUNNING_RETRY_MS : NEVER;
};

const concurrencyWaitMs = (account: HotAccount, key: KeyState): number => {
  const limit = account.profile.limits.concurrency;
  const own = key.profile?.limits.concurrency ?? null;
  if (limit === 0 || own === 0) return NEVER;
  return account.live < limit && (own === null || key.live < own) ? 0 : RUNNING_RETRY_MS;
};

const windowWaitMs = (
  which: 'requests' | 'tokens',
  account: HotAccount,
  key: KeyState,
  amount: number,
  nowMs: number,
): number => {
  const limit = which === 'requests' ? 'rpm' : 'tpm';
  const own = key.profile?.limits[limit] ?? null;
  const waitMs = account[which].waitMs(nowMs, account.profile.limits[limit], amount);
  return own === null ? waitMs : Math.max(waitMs, key[which].waitMs(nowMs, own, amount));
};
