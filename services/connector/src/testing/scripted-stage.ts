import { Registry } from 'prom-client';
import type { ExchangeReply, ProviderId } from '@tunan/contracts';
import { SystemClock, type Fault } from '@tunan/kernel';
import { createLogger } from '@tunan/service-kit';
import { ConnectorMetrics } from '../edges/connector-metrics.js';
import { ProviderStage } from '../edges/provider-stage.js';
import { ProviderTransport } from '../edges/provider-transport.js';
import { InlineSchemaJudge } from '../edges/schema-judge.js';
import { DIALECTS } from '../providers/index.js';
import { ScriptedProvider } from './scripted-provider.js';

/** The credential that stages of {@link ScriptedStages} send. */
export const API_KEY = 'sk-secret-key-123456';

/** Stages of any provider in front of one scripted provider, over real sockets. */
export class ScriptedStages {
  readonly clock = new SystemClock();
  readonly #transports: ProviderTransport[] = [];

  private constructor(readonly vendor: ScriptedProvider) {}

  static async open(): Promise<ScriptedStages> {
    return new ScriptedStages(await ScriptedProvider.listen());
  }

  /** The transport of the stage that was made last. */
  get transport(): ProviderTransport {
    return this.#transports.at(-1)!;
  }

  /** A new stage with connections of its own. */
  stage(
    provider: ProviderId = 'deepseek',
    options: { readonly connectionsMax?: number; readonly baseUrl?: string } = {},
  ): ProviderStage {
    const endpoint = { baseUrl: options.baseUrl ?? `${this.vendor.url}/base`, apiKey: API_KEY };
    const limits = { connectionsMax: options.connectionsMax ?? 10, connectTimeoutMs: 2_000 };
    const transport = new ProviderTransport(provider, endpoint, limits);
    this.#transports.push(transport);
    const metrics = new ConnectorMetrics(new Registry(), () => new Map()).of(provider);
    const call = {
      dialect: DIALECTS[provider],
      transport,
      clock: this.clock,
      judge: new InlineSchemaJudge(),
    };
    return new ProviderStage(call, provider, metrics, createLogger('silent'));
  }

  /** Closes every connection that was made so far. */
  async disconnect(): Promise<void> {
    await Promise.all(this.#transports.splice(0).map((transport) => transport.close()));
  }

  async close(): Promise<void> {
    await this.disconnect();
    await this.vendor.close();
  }
}

/** The fault of a reply that must fail. */
export const faultOf = async (reply: Promise<ExchangeReply>): Promise<Fault> => {
  try {
    await reply;
  } catch (error) {
    return error as Fault;
  }
  throw new Error('expected a fault');
};
