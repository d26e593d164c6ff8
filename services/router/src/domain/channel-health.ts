import type { Clock, CredentialAction, Fault, FaultCode } from '@tunan/kernel';
import { CircuitBreaker, Cooldowns, type Permit, type RandomSource } from '@tunan/resilience';

/** What a channel may be used for now; also the value of its gauge. */
export type ChannelState = 'closed' | 'half-open' | 'open' | 'cooling';

/** Rest of a channel whose provider said that there are too many calls and not for how long. */
const COOL_MS = 5_000;
/** Rest of a channel whose provider has no credential in this installation. */
const ABSENT_MS = 10_000;
/** Time until one request tries again whether a credential is good, or a model is there. */
const REPROBE_MS = { suspend: 60_000, disable: 60_000, 'drop-model': 300_000 } as const;
/** The other channels that a fault of one says something about. */
export interface Sharers {
  /** With the same credential. */
  readonly credential: readonly string[];
  /** With the same credential and upstream model: providers limit each model of an account by itself. */
  readonly model: readonly string[];
}

/** Faults of calls that ended, or never began, without the provider's doing. */
const TELLS_NOTHING: readonly FaultCode[] = [
  'client_closed',
  'deadline_exceeded',
  'internal_error',
  'connections_taken',
];

const ALONE: Sharers = { credential: [], model: [] };

/** Weight of a channel that is being tried again, against 1 of a healthy one. */
const PROBE_HEALTH = 0.1;

/**
 * What the last answers of every channel say about it: a breaker for failures, a rest for "too many", a long rest with
 * one probe for credentials and models that are refused. Channels appear with their first use.
 */
export class ChannelHealth {
  readonly #breakers = new Map<string, CircuitBreaker>();
  readonly #cooldowns: Cooldowns;

  constructor(
    private readonly clock: Clock,
    private readonly random: RandomSource,
  ) {
    this.#cooldowns = new Cooldowns(clock);
  }

  /** Share of its weight that a channel deserves; 0 if it may not be used now. */
  of(channel: string): number {
    const breaker = this.#breakers.get(channel);
    if (this.#cooldowns.waitMs(channel) > 0 || breaker?.passable === false) return 0;
    return breaker === undefined || breaker.state === 'closed' ? 1 : PROBE_HEALTH;
  }

  state(channel: string): ChannelState {
    const state = this.#breakers.get(channel)?.state ?? 'closed';
    return state === 'closed' && this.#cooldowns.waitMs(channel) > 0 ? 'cooling' : state;
  }

  /** Milliseconds until a channel may be used again. */
  waitMs(channel: string): number {
    return Math.max(this.#cooldowns.waitMs(channel), this.#breakers.get(channel)?.waitMs ?? 0);
  }

  /** Asks to use a channel; the permit is handed back with the outcome. */
  tryPass(channel: string): Permit | undefined {
    return this.#cooldowns.waitMs(channel) > 0 ? undefined : this.#breaker(channel).tryPass();
  }

  succeeded(channel: string, permit: Permit): void {
    this.#breaker(channel).succeeded(permit);
  }

  /**
   * Draws the consequence of a fault for its channel and those that share its credential, and says which it was. What is
   * wrong with a credential or an account is wrong for all of them; a failure counts only where it happened.
   */
  failed(channel: string, permit: Permit, fault: Fault, sharers = ALONE): CredentialAction {
    const breaker = this.#breaker(channel);
    const action = actionOf(fault);
    switch (action) {
      case 'count':
        breaker.failed(permit);
        break;
      case 'cool':
        breaker.released(permit);
        if (fault.code === 'no_channel_available') this.#cooldowns.cool(channel, ABSENT_MS);
        else
          for (const one of [channel, ...(isOfPlan(fault) ? sharers.credential : sharers.model)])
            this.#cooldowns.cool(one, fault.retryAfterMs ?? COOL_MS);
        break;
      case 'keep':
        // A request that was refused for what it says shows that the provider works; one that was given up shows nothing.
        if (TELLS_NOTHING.includes(fault.code)) breaker.released(permit);
        else breaker.succeeded(permit);
        break;
      case 'drop-model':
        for (const one of [channel, ...sharers.model]) this.#breaker(one).trip(REPROBE_MS[action]);
        break;
      default:
        for (const one of [channel, ...sharers.credential]) this.#breaker(one).trip(REPROBE_MS[action]);
    }
    return action;
  }

  /** Forgets channels that are not among these. */
  retain(channels: ReadonlySet<string>): void {
    for (const channel of this.#breakers.keys())
      if (!channels.has(channel)) {
        this.#breakers.delete(channel);
        this.#cooldowns.clear(channel);
      }
  }

  #breaker(channel: string): CircuitBreaker {
    let breaker = this.#breakers.get(channel);
    if (breaker === undefined) {
      breaker = new CircuitBreaker(this.clock, this.random);
      this.#breakers.set(channel, breaker);
    }
    return breaker;
  }
}

/** Plans count all models together; calls per minute and what is free are counted by model. */
const isOfPlan = (fault: Fault): boolean => fault.code === 'upstream_quota_window';

/** The fault table, and what two faults of the stage in between mean for its channel. */
const actionOf = (fault: Fault): CredentialAction => {
  if (fault.code === 'no_channel_available') return 'cool';
  if (fault.code === 'service_unavailable') return 'count';
  return fault.spec.credential;
};
