import {
  ExchangeHandler,
  type CatalogChannel,
  type CatalogIndex,
  type Exchange,
  type ExchangeReply,
  type ProviderId,
  type Target,
} from '@tunan/contracts';
import { Fault, type Clock } from '@tunan/kernel';
import type { Permit, RandomSource, RetryBudget } from '@tunan/resilience';
import type { Logger } from '@tunan/service-kit';
import { ableChannels } from './domain/able-channels.js';
import type { ChannelHealth, Sharers } from './domain/channel-health.js';
import {
  afterFailure,
  noChannelFault,
  RETRIES_MAX,
  shownFault,
  type AttemptState,
  type NextStep,
} from './domain/failover.js';
import { planChannels } from './domain/plan.js';
import type { RouterMetrics } from './edges/router-metrics.js';
import { WatchedStream } from './edges/watched-stream.js';

/** What routing needs from its surroundings. */
export interface RoutingPorts {
  readonly catalog: { readonly current: CatalogIndex };
  /** The connector of each provider that this installation has. */
  readonly connectors: ReadonlyMap<ProviderId, ExchangeHandler>;
  readonly health: ChannelHealth;
  readonly budget: RetryBudget;
  readonly metrics: RouterMetrics;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  readonly attemptsMax: number;
}

/** One request under way: what has been tried and how it went. */
interface Route {
  readonly exchange: Exchange;
  readonly plan: readonly CatalogChannel[];
  readonly topPriority: number;
  position: number;
  attempts: number;
  retries: number;
  readonly faults: Fault[];
}

/** Turns a request for a model into attempts on its channels, until one has content or nothing is left to try. */
export class RouteExchange extends ExchangeHandler {
  readonly #targets = new WeakMap<CatalogChannel, Target>();
  #known: CatalogIndex | undefined;

  constructor(private readonly ports: RoutingPorts) {
    super();
  }

  async handle(exchange: Exchange): Promise<ExchangeReply> {
    const { budget, health, metrics } = this.ports;
    const channels = ableChannels(this.#catalog().channels(exchange.body.model), exchange);
    budget.request();
    const plan = planChannels(channels, (channel) => this.#healthOf(channel), this.ports.random);
    const route: Route = {
      exchange,
      plan,
      topPriority: channels[0]?.priority ?? 0,
      position: 0,
      attempts: 0,
      retries: 0,
      faults: [],
    };
    while (route.position < plan.length) {
      const channel = plan[route.position]!;
      const permit = health.tryPass(channel.id);
      if (permit === undefined) {
        // Another request has taken the probe, or has just met a limit.
        this.#next(route);
        continue;
      }
      const reply = await this.#attempt(route, channel, permit);
      if (reply !== undefined) return reply;
      if (!(await this.#prepareNext(route))) break;
    }
    if (route.faults.length > 0) throw shownFault(route.faults);
    metrics.unavailable();
    throw noChannelFault(
      exchange.body.model,
      Math.min(...channels.map((channel) => health.waitMs(channel.id))),
    );
  }

  /** Resolves with an answer that has content, or with nothing after a fault that is in `route.faults`. */
  async #attempt(route: Route, channel: CatalogChannel, permit: Permit): Promise<ExchangeReply | undefined> {
    const { connectors, health, metrics, clock } = this.ports;
    const startedMs = clock.monotonicMs();
    route.attempts += 1;
    try {
      const exchange = { ...route.exchange, target: this.#target(channel) };
      const reply = await connectors.get(channel.provider)!.handle(exchange);
      // An answer that only says who was asked when the client left tells nothing of the channel.
      if (exchange.signal.aborted) this.#givenUp(channel, permit);
      else {
        health.succeeded(channel.id, permit);
        metrics.answered(channel.id, clock.monotonicMs() - startedMs);
      }
      return this.#toReply(route, channel, permit, reply);
    } catch (error) {
      const fault = Fault.from(error);
      this.#failed(route, channel, permit, fault);
      return undefined;
    }
  }

  #toReply(route: Route, channel: CatalogChannel, permit: Permit, reply: ExchangeReply): ExchangeReply {
    const served = {
      ...reply.served,
      attempts: route.attempts,
      fallback: channel.priority < route.topPriority || route.position > 0,
    };
    if (reply.kind === 'unary') return { ...reply, served };
    return {
      kind: 'stream',
      served,
      body: new WatchedStream(reply.body, (fault) => this.#broke(channel, permit, fault)),
    };
  }

  #failed(
    { exchange, faults, attempts }: Route,
    channel: CatalogChannel,
    permit: Permit,
    fault: Fault,
  ): void {
    const { health, metrics, logger } = this.ports;
    faults.push(fault);
    const action = health.failed(channel.id, permit, fault, this.#sharers(channel));
    metrics.attempt(channel.id, fault.spec.owner);
    metrics.credential(channel.id, action);
    const record = {
      requestId: exchange.requestId,
      channel: channel.id,
      attempt: attempts,
      fault: fault.code,
      action,
    };
    logger.debug(record, 'attempt failed');
  }

  #givenUp(channel: CatalogChannel, permit: Permit): void {
    const { health, metrics } = this.ports;
    const fault = new Fault('client_closed', 'The client closed the request.');
    health.failed(channel.id, permit, fault);
    metrics.attempt(channel.id, fault.spec.owner);
  }

  /** A stream failed after content: the channel suffers for it, the request can't be saved. */
  #broke(channel: CatalogChannel, permit: Permit, fault: Fault): void {
    if (fault.spec.owner === 'client') return;
    const { health, metrics } = this.ports;
    metrics.brokenStream(channel.id);
    metrics.credential(channel.id, health.failed(channel.id, permit, fault, this.#sharers(channel)));
  }

  /** Moves on after a fault: waits for a retry, or goes to the next channel. False if the request ends here. */
  async #prepareNext(route: Route): Promise<boolean> {
    const fault = route.faults.at(-1)!;
    // A connector without a credential has not tried anything.
    if (fault.code === 'no_channel_available') route.attempts -= 1;
    const next = this.#nextStep(route, fault);
    if (next.step === 'stop' || route.exchange.signal.aborted) return false;
    if (next.step === 'next') {
      this.#next(route);
      return true;
    }
    route.retries += 1;
    await this.ports.clock.sleep(next.waitMs);
    return !route.exchange.signal.aborted;
  }

  #nextStep(route: Route, fault: Fault): NextStep {
    const { clock, budget, random, attemptsMax } = this.ports;
    const state: AttemptState = {
      attempts: route.attempts,
      attemptsMax,
      channelsLeft: route.plan.length - route.position - 1,
      retries: route.retries,
      remainingMs: route.exchange.deadlineMs - clock.monotonicMs(),
    };
    const next = afterFailure(fault, state, random);
    if (next.step !== 'retry' || budget.tryRetry()) return next;
    return afterFailure(fault, { ...state, retries: RETRIES_MAX }, random);
  }

  #next(route: Route): void {
    const from = route.plan[route.position];
    route.position += 1;
    route.retries = 0;
    const to = route.plan[route.position];
    if (from !== undefined && to !== undefined) this.ports.metrics.failover(from.id, to.id);
  }

  /** The active catalog. With a new one, channels that are gone lose their history. */
  #catalog(): CatalogIndex {
    const { current } = this.ports.catalog;
    if (current !== this.#known) {
      this.#known = current;
      this.ports.health.retain(new Set(current.catalog.channels.map((channel) => channel.id)));
    }
    return current;
  }

  /** The channels that share a credential, or its limits for one model, with a channel, itself left out. */
  #sharers(channel: CatalogChannel): Sharers {
    const all = this.#known?.catalog.channels ?? [];
    const credential = all.filter(({ id, provider }) => provider === channel.provider && id !== channel.id);
    const model = credential.filter(({ upstreamModel }) => upstreamModel === channel.upstreamModel);
    return { credential: credential.map(({ id }) => id), model: model.map(({ id }) => id) };
  }

  #healthOf(channel: CatalogChannel): number {
    return this.ports.connectors.has(channel.provider) ? this.ports.health.of(channel.id) : 0;
  }

  #target(channel: CatalogChannel): Target {
    let target = this.#targets.get(channel);
    if (target === undefined) {
      const { id, provider, upstreamModel, thinking, billsAfterCancel, unstreamedTokensMax, timeouts } =
        channel;
      target = {
        channel: id,
        provider,
        upstreamModel,
        thinking,
        billsAfterCancel,
        unstreamedTokensMax,
        timeouts,
      };
      this.#targets.set(channel, target);
    }
    return target;
  }
}
