import type { AuthPort } from '@tunan/contracts';
import {
  type Hold,
  type Served,
  type SettleOutcome,
  type SettleReply,
  type SettleRequest,
  type ReportedUsage,
} from '@tunan/contracts';
import { Fault, type Clock } from '@tunan/kernel';
import type { Logger } from '@tunan/service-kit';

const ATTEMPTS_MAX = 4;
const BACKOFF_MS = 100;

/** What is known about a request when it ends. */
export interface Ending {
  readonly outcome: SettleOutcome;
  readonly usage: ReportedUsage | null;
  readonly deliveredTokens: number;
  readonly served: Served | null;
}

/** Settles one admitted request: once, whatever ends it, and before the bytes that complete its answer. */
export class Settlement {
  #settled: Promise<SettleReply> | undefined;
  readonly #renewAfterMs: number;
  #renewAtMs: number;
  #renewing = false;

  constructor(
    private readonly auth: AuthPort,
    private readonly clock: Clock,
    private readonly logger: Logger,
    readonly hold: Hold,
    leaseMs: number,
    private readonly traceparent: string | undefined,
  ) {
    // Four renewals fit into a lease, so that one that is lost does not end it.
    this.#renewAfterMs = leaseMs / 4;
    this.#renewAtMs = clock.monotonicMs() + this.#renewAfterMs;
  }

  /** True from the first call of {@link settle}. */
  get ending(): boolean {
    return this.#settled !== undefined;
  }

  /**
   * Charges the request by the rule of `ending.outcome`. Later calls return the first one's result.
   * @throws Fault if the charge could not be made durable; the hold's lease then decides
   */
  settle(ending: Ending): Promise<SettleReply> {
    this.#settled ??= this.#settle(ending);
    return this.#settled;
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
        if (reply.outcome === 'settled' && !this.ending) onSettled();
      })
      .catch((error: unknown) => {
        this.#renewAtMs = nowMs;
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
  requestFor({ outcome, usage, deliveredTokens, served }: Ending): SettleRequest {
    return {
      hold: this.hold,
      outcome,
      usage,
      deliveredTokens,
      served,
      traceparent: this.traceparent ?? null,
    };
  }

  async #settle(ending: Ending): Promise<SettleReply> {
    const request = this.requestFor(ending);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.auth.settle(request);
      } catch (error) {
        if (attempt === ATTEMPTS_MAX) {
          this.logger.error(
            { requestId: this.hold.requestId, err: Fault.from(error).message },
            'not settled',
          );
          throw error;
        }
        await this.clock.sleep(BACKOFF_MS * 2 ** attempt);
      }
    }
  }
}
