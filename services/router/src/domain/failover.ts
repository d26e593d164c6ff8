import { FAULTS, Fault, type FailoverRule, type FaultCode } from '@tunan/kernel';
import { backoffMs } from '@tunan/resilience';

/** Where one request stands after an attempt that failed before any content. */
export interface AttemptState {
  /** Attempts made, this one included. */
  readonly attempts: number;
  readonly attemptsMax: number;
  /** Channels that have not been tried. */
  readonly channelsLeft: number;
  /** Retries made on this channel. */
  readonly retries: number;
  /** Time until the request's deadline. */
  readonly remainingMs: number;
}

export type NextStep =
  { readonly step: 'stop' } | { readonly step: 'next' } | { readonly step: 'retry'; readonly waitMs: number };

/** Retries of one channel; beyond that another channel is the better bet. */
export const RETRIES_MAX = 1;
/** An attempt with less time than this only loads the provider. */
export const ATTEMPT_MS_MIN = 1_000;
const BACKOFF_BASE_MS = 100;
const BACKOFF_CAP_MS = 1_000;

/**
 * What failover may do after a fault: the fault table, and two faults that mean something else between stages than at
 * the edge. A connector that has no credential, or can't be reached, is one way less and not the end of the request.
 */
export const failoverRule = (code: FaultCode): FailoverRule =>
  code === 'no_channel_available' || code === 'service_unavailable' ? 'next' : FAULTS[code].failover;

/** Whether and where a request is tried again. Never called once content has been sent. */
export const afterFailure = (fault: Fault, state: AttemptState, random: () => number): NextStep => {
  const rule = failoverRule(fault.code);
  if (rule === 'never' || state.attempts >= state.attemptsMax || state.remainingMs < ATTEMPT_MS_MIN)
    return { step: 'stop' };
  if (rule === 'same-then-next' && state.retries < RETRIES_MAX) {
    const waitMs = backoffMs(state.retries, BACKOFF_BASE_MS, BACKOFF_CAP_MS, random);
    if (state.remainingMs >= waitMs + ATTEMPT_MS_MIN) return { step: 'retry', waitMs };
  }
  return state.channelsLeft > 0 ? { step: 'next' } : { step: 'stop' };
};

/** Faults that tell of our installation only: any other one says more. */
const LEAST_TELLING: readonly FaultCode[] = ['no_channel_available', 'service_unavailable'];
const RETRY_AFTER_MS_MIN = 1_000;
const RETRY_AFTER_MS_MAX = 60_000;
/** Sent with a 503 for which no provider said when to come back. */
const RETRY_AFTER_MS_DEFAULT = 2_000;

/**
 * The fault that the client sees when every attempt failed: one of the client's own if there is one, else the last one
 * that a provider caused, else the last one. What is wrong between us and a provider already shows as 503 by the table.
 * @param faults in the order of the attempts; at least one
 */
export const shownFault = (faults: readonly Fault[]): Fault => {
  const shown = faults.reduce((best, fault) => (tellingOf(fault) >= tellingOf(best) ? fault : best));
  if (shown.spec.owner === 'client' || shown.spec.status !== 503) return shown;
  const waits = faults.map((fault) => fault.retryAfterMs).filter((ms) => ms !== undefined);
  return new Fault(shown.code, shown.publicMessage, {
    internal: shown.message,
    cause: shown,
    retryAfterMs: boundedWait(waits.length === 0 ? RETRY_AFTER_MS_DEFAULT : Math.min(...waits)),
  });
};

const tellingOf = (fault: Fault): number => {
  if (LEAST_TELLING.includes(fault.code)) return 0;
  if (fault.spec.owner === 'client') return 3;
  return fault.spec.owner === 'upstream' ? 2 : 1;
};

/** The fault of a model none of whose channels may be used now. @param waitMs until the first of them may be */
export const noChannelFault = (model: string, waitMs: number): Fault =>
  new Fault('no_channel_available', `The model '${model}' is not available at the moment. Please retry.`, {
    internal: `no channel of ${model} may be used`,
    retryAfterMs: boundedWait(waitMs),
  });

const boundedWait = (ms: number): number => Math.min(RETRY_AFTER_MS_MAX, Math.max(RETRY_AFTER_MS_MIN, ms));
