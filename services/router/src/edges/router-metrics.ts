import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { CredentialAction, FaultOwner } from '@tunan/kernel';
import type { ChannelState } from '../domain/channel-health.js';

/** How an attempt ended: with an answer, or by whose fault not. */
export type AttemptOutcome = 'answered' | FaultOwner;

const STATES: Readonly<Record<ChannelState, number>> = { closed: 0, 'half-open': 1, cooling: 2, open: 3 };
const ANSWER_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 600];

/** Times kept before they are handed over, if no scrape comes first. */
const TIMES_MAX = 512;

/** What is counted on every request, as plain numbers: handing each one over would cost more than the routing. */
interface ChannelCounts {
  readonly attempts: Map<AttemptOutcome, number>;
  /** Times in seconds that the histogram does not have yet. */
  readonly times: number[];
}

/** What the router counts. Labels are channels of the catalog and closed lists. */
export class RouterMetrics {
  readonly #counts = new Map<string, ChannelCounts>();
  readonly #failovers: Counter<'from' | 'to'>;
  readonly #broken: Counter<'channel'>;
  readonly #actions: Counter<'channel' | 'action'>;
  readonly #unavailable: Counter;
  readonly #answerSeconds: Histogram<'channel'>;

  /** @param states every channel's state at the moment of the scrape */
  constructor(registry: Registry, states: () => Iterable<readonly [string, ChannelState]>) {
    const registers = [registry];
    const counts = this.#counts;
    new Counter({
      name: 'tunan_router_attempts_total',
      help: 'Attempts by channel and by how they ended: answered, or whose fault it was.',
      labelNames: ['channel', 'outcome'],
      registers,
      collect() {
        this.reset();
        for (const [channel, { attempts }] of counts)
          for (const [outcome, count] of attempts) this.inc({ channel, outcome }, count);
      },
    });
    this.#failovers = new Counter({
      name: 'tunan_router_failovers_total',
      help: 'Requests that went on to another channel.',
      labelNames: ['from', 'to'],
      registers,
    });
    this.#broken = new Counter({
      name: 'tunan_router_broken_streams_total',
      help: 'Streams that failed by the fault of the provider after content had been sent.',
      labelNames: ['channel'],
      registers,
    });
    this.#actions = new Counter({
      name: 'tunan_router_credential_actions_total',
      help: 'What faults did to the credential of their channel.',
      labelNames: ['channel', 'action'],
      registers,
    });
    this.#unavailable = new Counter({
      name: 'tunan_router_unavailable_total',
      help: 'Requests for a model none of whose channels could be used.',
      registers,
    });
    this.#answerSeconds = new Histogram({
      name: 'tunan_router_answer_seconds',
      help: 'Time until the first content of a stream, or the whole of a unary answer.',
      labelNames: ['channel'],
      buckets: ANSWER_SECONDS,
      registers,
      collect() {
        for (const [channel, { times }] of counts) observeAll(this.labels(channel), times);
      },
    });
    new Gauge({
      name: 'tunan_router_channel_state',
      help: '0 closed, 1 half-open, 2 cooling, 3 open.',
      labelNames: ['channel'],
      registers,
      collect() {
        this.reset();
        for (const [channel, state] of states()) this.set({ channel }, STATES[state]);
      },
    });
  }

  attempt(channel: string, outcome: AttemptOutcome): void {
    const { attempts } = this.#countsOf(channel);
    attempts.set(outcome, (attempts.get(outcome) ?? 0) + 1);
  }

  answered(channel: string, ms: number): void {
    const { attempts, times } = this.#countsOf(channel);
    attempts.set('answered', (attempts.get('answered') ?? 0) + 1);
    times.push(ms / 1_000);
    if (times.length >= TIMES_MAX) observeAll(this.#answerSeconds.labels(channel), times);
  }

  failover(from: string, to: string): void {
    this.#failovers.inc({ from, to });
  }

  brokenStream(channel: string): void {
    this.#broken.inc({ channel });
  }

  credential(channel: string, action: CredentialAction): void {
    if (action !== 'keep') this.#actions.inc({ channel, action });
  }

  unavailable(): void {
    this.#unavailable.inc();
  }

  #countsOf(channel: string): ChannelCounts {
    let counts = this.#counts.get(channel);
    if (counts === undefined) {
      counts = { attempts: new Map(), times: [] };
      this.#counts.set(channel, counts);
    }
    return counts;
  }
}

const observeAll = (histogram: Histogram.Internal<'channel'>, times: number[]): void => {
  for (const seconds of times) histogram.observe(seconds);
  times.length = 0;
};
