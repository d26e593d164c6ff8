import { Counter, Gauge, type Registry } from 'prom-client';
import type { ProviderId } from '@tunan/contracts';
import type { FaultCode } from '@tunan/kernel';

/** How an upstream answer ended: whole, or with a fault. */
export type Outcome = 'completed' | FaultCode;

/** What the connectors of this process count. Labels are bounded: providers and the fault table. */
export class ConnectorMetrics {
  readonly #providers = new Map<ProviderId, ProviderMetrics>();
  readonly #impossible: Counter<'provider'>;
  readonly #overruns: Counter<'provider'>;

  /** @param callsUnderWay calls of each provider at the moment of the scrape */
  constructor(registry: Registry, callsUnderWay: () => ReadonlyMap<ProviderId, number>) {
    const registers = [registry];
    const providers = this.#providers;
    new Counter({
      name: 'tunan_connector_answers_total',
      help: 'Answers of providers, by how they ended.',
      labelNames: ['provider', 'outcome'],
      registers,
      collect() {
        this.reset();
        for (const [provider, metrics] of providers)
          for (const [outcome, count] of metrics.answers) this.inc({ provider, outcome }, count);
      },
    });
    this.#impossible = new Counter({
      name: 'tunan_connector_impossible_usage_total',
      help: 'Usages reported by providers that can not be true. Settled as estimates.',
      labelNames: ['provider'],
      registers,
    });
    this.#overruns = new Counter({
      name: 'tunan_connector_ceiling_overruns_total',
      help: 'Answers of providers with more output than their ceiling. What is beyond it is not charged.',
      labelNames: ['provider'],
      registers,
    });
    new Gauge({
      name: 'tunan_connector_calls',
      help: 'Calls of providers under way.',
      labelNames: ['provider'],
      registers,
      collect() {
        for (const [provider, calls] of callsUnderWay()) this.set({ provider }, calls);
      },
    });
  }

  /** The counters of one provider. */
  of(provider: ProviderId): ProviderMetrics {
    const metrics = new ProviderMetrics(this.#impossible.labels(provider), this.#overruns.labels(provider));
    this.#providers.set(provider, metrics);
    return metrics;
  }
}

/** Counters of one provider. Answers are counted here and handed over at the scrape: this runs on every request. */
export class ProviderMetrics {
  readonly #answers = new Map<Outcome, number>();

  constructor(
    private readonly impossible: Counter.Internal,
    private readonly overruns: Counter.Internal,
  ) {}

  get answers(): ReadonlyMap<Outcome, number> {
    return this.#answers;
  }

  ended(outcome: Outcome): void {
    this.#answers.set(outcome, (this.#answers.get(outcome) ?? 0) + 1);
  }

  overran(): void {
    this.overruns.inc();
  }

  impossibleUsage(): void {
    this.impossible.inc();
  }
}
