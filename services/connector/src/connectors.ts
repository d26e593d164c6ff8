import type { ExchangeHandler } from '@tunan/contracts';
import { PROVIDER_IDS, type ProviderId } from '@tunan/contracts';
import type { ServiceContext, StageName } from '@tunan/service-kit';
import { providerSettings, type connectorConfig } from './connector.config.js';
import { ConnectorMetrics } from './edges/connector-metrics.js';
import { ProviderStage } from './edges/provider-stage.js';
import { ProviderTransport, type Endpoint } from './edges/provider-transport.js';
import { ThreadSchemaJudge } from './edges/schema-judge.js';
import { SimulatorProbe } from './edges/simulator-probe.js';
import { UnconfiguredStage } from './edges/unconfigured-stage.js';
import { DIALECTS } from './providers/index.js';

type Context = ServiceContext<typeof connectorConfig>;

/** Backstop of each call's own connect limit, which the catalog sets. */
const CONNECT_TIMEOUT_MS = 10_000;
const SIMULATOR = 'simulator';
/** The simulator takes any key; nothing secret is sent to it. */
const SIMULATOR_KEY = 'sim-gateway';

/** Every provider that this process serves: its stage, its connections, its part of readiness. */
export class Connectors {
  readonly #stages = new Map<StageName, ExchangeHandler>();
  readonly #transports = new Map<ProviderId, ProviderTransport>();
  readonly #metrics: ConnectorMetrics;
  readonly #judge: ThreadSchemaJudge;
  #probe: SimulatorProbe | undefined;

  constructor(private readonly context: Context) {
    this.#metrics = new ConnectorMetrics(
      context.metrics,
      () => new Map([...this.#transports].map(([provider, transport]) => [provider, transport.calls])),
    );
    this.#judge = new ThreadSchemaJudge(context.clock, context.logger);
    const wanted = new Set<ProviderId>(context.config.CONNECTOR_PROVIDERS);
    for (const provider of PROVIDER_IDS) if (wanted.has(provider)) this.#add(provider);
  }

  get stages(): Readonly<Partial<Record<StageName, ExchangeHandler>>> {
    return Object.fromEntries(this.#stages);
  }

  /** Resolves when no call is under way, at the latest after `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    await Promise.all(
      [...this.#transports.values()].map((transport) => transport.idle(this.context.clock, timeoutMs)),
    );
  }

  async close(): Promise<void> {
    this.#probe?.stop();
    await Promise.all([...this.#transports.values()].map((transport) => transport.close()));
    await this.#judge.close();
  }

  #add(provider: ProviderId): void {
    const { config, clock, logger } = this.context;
    const endpoint = this.#endpoint(provider);
    if (endpoint === undefined) {
      this.#stages.set(`connector/${provider}`, new UnconfiguredStage(provider));
      return;
    }
    const transport = new ProviderTransport(provider, endpoint, {
      connectionsMax: config.CONNECTOR_CONNECTIONS_MAX,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
    });
    this.#transports.set(provider, transport);
    const call = { dialect: DIALECTS[provider], transport, clock, judge: this.#judge };
    this.#stages.set(
      `connector/${provider}`,
      new ProviderStage(call, endpoint.simulated ? SIMULATOR : provider, this.#metrics.of(provider), logger),
    );
  }

  /** Where a provider is reached; undefined where it has no credential and no stand-in is allowed. */
  #endpoint(provider: ProviderId): (Endpoint & { readonly simulated: boolean }) | undefined {
    const { config, mode, simulatorUrl, health } = this.context;
    const { apiKey, baseUrl } = providerSettings(config, provider);
    const dialect = DIALECTS[provider];
    const dependency = `provider/${provider}`;
    // A base URL alone is a server of the operator's that wants no key.
    if (apiKey !== undefined || baseUrl !== undefined) {
      health.dependency(dependency).up(apiKey === undefined ? 'without a credential' : 'has a credential');
      return { baseUrl: baseUrl ?? dialect.baseUrl, apiKey: apiKey?.reveal(), simulated: false };
    }
    if (mode === 'embedded' && simulatorUrl !== undefined) {
      health.dependency(dependency).up('simulated');
      this.#awaitSimulator(simulatorUrl);
      return { baseUrl: simulatorUrl + dialect.simulatorPath, apiKey: SIMULATOR_KEY, simulated: true };
    }
    health.dependency(dependency).up('no credential: its channels do not exist');
    return undefined;
  }

  #awaitSimulator(simulatorUrl: string): void {
    if (this.#probe !== undefined) return;
    const { health, clock } = this.context;
    this.#probe = new SimulatorProbe(simulatorUrl, health.dependency(SIMULATOR), clock);
    this.#probe.start();
  }
}
