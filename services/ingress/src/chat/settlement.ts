import {
  RENEWALS_PER_LEASE,
  type AuthPort,
  type Hold,
  type Limits,
  type LimitState,
  type Served,
  type SettleOutcome,
  type SettleReply,
  type SettleRequest,
  type ReportedUsage,
} from '@tunan/contracts';
import { Fault, type Clock } from '@tunan/kernel';
import { backoffMs, type RandomSource } from '@tunan/resilience';
import type { Logger } from '@tunan/service-kit';

const ATTEMPTS_MAX = 4;
const BACKOFF_MS = 100;

/** How long a settlement may be made of which the client will be told an error otherwise. */
const LAPSE_MS = 5_000;

/** How long the settlement of a stream goes on after its client was told of an error, and its first wait. */
const LATE_MS = 600_000;
const LATE_BACKOFF_MS = 1_000;

/** Longest wait before a renewal that failed is tried again the first time. */
const RENEW_BACKOFF_MS = 500;

/** What is known about a request when it ends. */
export interface Ending {
  readonly outcome: SettleOutcome;
  readonly usage: ReportedUsage | null;
  readonly deliveredTokens: number;
  readonly served: Served | null;
  /** A provider has worked for it, and did not fail by itself. */
  readonly workedFor: boolean;
  /** The client is told of an error if this can't be settled; so it must not be charged afterwards. */
  readonly lapses: boolean;
}

/** Settles one admitted request: once, whatever ends it, and before the bytes that complete its answer. */
export class Settlement {
  #settled: Promise<SettleReply> | undefined;
  #over: Promise<void> = Promise.resolve();
  readonly #renewAfterMs: number;
  #renewAtMs: number;
  #renewing = false;
  #renewalsFailed = 0;
  /** No earlier than the admission, of which the hold has the store's time. */
  readonly #grantedMs: number;
  #limits: Limits;
  #limitsAtMs: number;

  constructor(
    private readonly auth: AuthPort,
    private readonly clock: Clock,
    private readonly logger: Logger,
    readonly hold: Hold,
    leaseMs: number,
    limits: Limits,
    private readonly traceparent: string | undefined,
    private readonly random: RandomSource,
  ) {
    this.#grantedMs = clock.monotonicMs();
    this.#limits = limits;
    this.#limitsAtMs = this.#grantedMs;
    this.#renewAfterMs = leaseMs / RENEWALS_PER_LEASE;
    this.#renewAtMs = this.#grantedMs + this.#renewAfterMs;
  }

  /**
   * The limiter's state as far as it is known now: that of the settlement, before it that of the admission, less the
   * time that has passed since.
   */
  get limits(): Limits {
    const { requests, tokens } = this.#limits;
    const passedMs = this.clock.monotonicMs() - this.#limitsAtMs;
    return { requests: later(requests, passedMs), tokens: later(tokens, passedMs) };
  }

  /** True from the first call of {@link settle}. */
  get ending(): boolean {
    return this.#settled !== undefined;
  }

  /**
   * Charges the request by the rule of `ending.outcome`. Later calls return the first one's result.
   * @throws Fault if the charge could not be made durable. One that lapses is not made afterwards; it may only have been
   * made before, if no answer to any of the tries came through, or be found at the start of a store that was killed
   * while its disk hung. Of a stream the settlement goes on behind it; of all others the hold's lease decides.
   */
  settle(ending: Ending): Promise<SettleReply> {
    this.#settled ??= this.#settle(ending);
    return this.#settled;
  }

  /** Resolves once nothing is tried any more after {@link settle}: what can be charged is, or this was given up. */
  get over(): Promise<void> {
    return this.#over;
  }

  /**
   * Renews the lease if it is time, with the progress so far.
   * @returns true if it was
   * @param onSettled called if the request was settled without us: its answer must end
   */
  renewIfDue(nowMs: number, deliveredTokens: number, onSettled: () => void): boolean {
    if (nowMs < this.#renewAtMs || this.#renewing || this.ending) return false;
    this.#renewing = true;
    this.#renewAtMs = nowMs + this.#renewAfterMs;
    this.auth
      .renew({ hold: this.hold, deliveredTokens })
      .then((reply) => {
        this.#renewalsFailed = 0;
        if (reply.outcome === 'settled' && !this.ending) onSettled();
      })
      .catch((error: unknown) => {
        const waitMs = backoffMs(this.#renewalsFailed, RENEW_BACKOFF_MS, this.#renewAfterMs, this.random);
        this.#renewAtMs = this.clock.monotonicMs() + waitMs;
        this.#renewalsFailed += 1;
        if (this.#renewalsFailed === 1)
          this.logger.warn(
            { requestId: this.hold.requestId, err: Fault.from(error).message },
            'lease not renewed',
          );
      })
      .finally(() => {
        this.#renewing = false;
      });
    return true;
  }

  /** What {@link settle} asks for. */
  requestFor({ outcome, usage, deliveredTokens, served, workedFor }: Ending): SettleRequest {
    return {
      hold: this.hold,
      outcome,
      usage,
      deliveredTokens,
      served,
      workedFor,
      traceparent: this.traceparent ?? null,
    };
  }

  async #settle(ending: Ending): Promise<SettleReply> {
    const lapseMs = ending.lapses ? this.clock.monotonicMs() + LAPSE_MS : undefined;
    const request = { ...this.requestFor(ending), lapsesAtMs: lapseMs && this.#storeTimeOf(lapseMs) };
    for (let attempt = 1; ; attempt += 1) {
      // After the lapse only a question is left: was it made by a try whose answer was lost?
      const last = lapseMs === undefined ? attempt === ATTEMPTS_MAX : this.clock.monotonicMs() >= lapseMs;
      try {
        const reply = await this.auth.settle(request);
        if (reply.limits !== undefined) {
          this.#limits = reply.limits;
          this.#limitsAtMs = this.clock.monotonicMs();
        }
        return reply;
      } catch (error) {
        if (last) {
          const goesOn = lapseMs === undefined && this.hold.stream && ending.outcome !== 'failed';
          if (goesOn) this.#over = this.#settleLate(ending);
          this.#notSettled(error, goesOn ? 'not settled yet' : 'not settled');
          throw error;
        }
        const lapsesInMs = lapseMs === undefined ? Infinity : lapseMs - this.clock.monotonicMs();
        await this.clock.sleep(Math.max(0, Math.min(BACKOFF_MS * 2 ** attempt, lapsesInMs)));
      }
    }
  }

  /**
   * Goes on with what a stream has delivered although its client was told of an error, so that a store that is away for
   * some seconds gives nothing away. A whole answer was cut off for its client, who did not see its end. The lease is renewed
   * meanwhile; so those that wait are among the running requests of their accounts, and no more than these may have.
   */
  async #settleLate(ending: Ending): Promise<void> {
    const untilMs = this.clock.monotonicMs() + LATE_MS;
    const outcome = ending.outcome === 'completed' ? 'cut' : ending.outcome;
    const request = this.requestFor({ ...ending, outcome });
    for (let failures = 0; ; failures += 1) {
      await this.clock.sleep(backoffMs(failures, LATE_BACKOFF_MS, this.#renewAfterMs, this.random));
      try {
        await this.auth.settle(request);
        return;
      } catch (error) {
        if (this.clock.monotonicMs() >= untilMs) return this.#notSettled(error, 'not settled');
        // Should it have ended otherwise by now, this settlement takes the place of that.
        await this.auth
          .renew({ hold: this.hold, deliveredTokens: ending.deliveredTokens })
          .catch(() => undefined);
      }
    }
  }

  #notSettled(error: unknown, message: string): void {
    this.logger.error({ requestId: this.hold.requestId, err: Fault.from(error).message }, message);
  }

  /**
   * Time of the store's clock at a time of ours, or earlier: never later, because the hold was admitted before its grant
   * arrived here. So the store's lapse is over when ours is.
   */
  #storeTimeOf(ms: number): number {
    return this.hold.admittedAtMs + Math.floor(ms - this.#grantedMs);
  }
}

const later = (state: LimitState, passedMs: number): LimitState => ({
  ...state,
  resetMs: Math.max(0, state.resetMs - passedMs),
});
