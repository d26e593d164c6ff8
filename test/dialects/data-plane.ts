import { readConfig } from '@tunan/config';
import { connector } from '@tunan/connector';
import {
  CatalogIndex,
  type Catalog,
  type CatalogChannel,
  type Exchange,
  type ExchangeReply,
  type ProviderId,
} from '@tunan/contracts';
import { SystemClock, uuidv7 } from '@tunan/kernel';
import { router } from '@tunan/router';
import { createLogger, Health, type ServiceContext, type ServiceInstance } from '@tunan/service-kit';
import { startSimulator, type RunningSimulator } from '@tunan/simulator/testing';
import { Registry } from 'prom-client';
import { shippedCatalog } from './shipped-catalog.js';

const clock = new SystemClock();

/** Parts of a service's context that these services do not ask for. */
const absent = (): never => {
  throw new Error('not part of this data plane');
};

const surroundings = (simulatorUrl: string) => ({
  mode: 'embedded' as const,
  clock,
  logger: createLogger('silent'),
  metrics: new Registry(),
  health: new Health(),
  dataDir: '',
  port: absent,
  stage: absent,
  postgres: absent,
  simulatorUrl,
});

/** Connectors and simulator in this process, without edges, accounts and money. */
export class DataPlane {
  private constructor(
    readonly simulator: RunningSimulator,
    private readonly connectors: ServiceInstance,
  ) {}

  static async start(): Promise<DataPlane> {
    const simulator = await startSimulator();
    const connectors = await connector.start({
      ...surroundings(simulator.url),
      config: readConfig(connector.config, {}),
    });
    return new DataPlane(simulator, connectors);
  }

  async stop(): Promise<void> {
    await this.connectors.stop();
    await this.simulator.stop();
  }

  /** Sends an exchange to a channel alone, as one attempt. */
  attempt(channel: CatalogChannel, exchange: Exchange): Promise<ExchangeReply> {
    const target = { ...channel, channel: channel.id };
    return this.connectors.stages[`connector/${channel.provider}`]!.handle({ ...exchange, target });
  }

  /** A router that knows nothing yet, with these channels only. */
  async router(channels: readonly CatalogChannel[]): Promise<FreshRouter> {
    const catalog: Catalog = { ...shippedCatalog.catalog, channels: [...channels] };
    const snapshot = { version: new CatalogIndex({ version: 1, catalog }).version, catalog };
    const context = surroundings(this.simulator.url);
    const instance = await router.start({
      ...context,
      config: readConfig(router.config, {}),
      port: (() => ({ catalog: () => Promise.resolve({ snapshot }) })) as unknown as ServiceContext['port'],
      stage: (name) => this.connectors.stages[name]!,
    });
    while (!context.health.ready) await clock.sleep(1);
    return {
      handle: (exchange) => instance.stages.router!.handle(exchange),
      credentialActions: async () => {
        const metric = await context.metrics.getSingleMetric('tunan_router_credential_actions_total')!.get();
        return metric.values.map(({ labels }) => `${labels['channel']}: ${labels['action']}`);
      },
      stop: () => instance.stop(),
    };
  }
}

/** A router for one case. */
export interface FreshRouter {
  handle(exchange: Exchange): Promise<ExchangeReply>;
  /** What faults did to credentials, as `channel: action`. */
  credentialActions(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

/** What is asked for: a chat, whole or as a stream, or embeddings. */
export type Form = 'unary' | 'stream' | 'embeddings';

/** An exchange of a form. @param more its ceiling, and a mark that every log line of its calls has */
export const anExchange = (
  model: string,
  form: Form,
  more: { readonly ceiling?: number; readonly nonce?: string } = {},
): Exchange => {
  const text = more.nonce === undefined ? 'Hello' : `[[sim nonce=${more.nonce}]] Hello`;
  const common = {
    requestId: uuidv7(),
    ceiling: more.ceiling ?? 1_000,
    includeUsage: true,
    strictParameters: false,
    deadlineMs: clock.monotonicMs() + 60_000,
    signal: new AbortController().signal,
    traceparent: undefined,
    caller: { accountId: 'acc_1', tier: 'paid' as const },
    target: undefined,
  };
  if (form === 'embeddings')
    return { ...common, operation: form, body: { model, input: text }, stream: false };
  const body = { model, messages: [{ role: 'user' as const, content: text }] };
  return { ...common, operation: 'chat', body, stream: form === 'stream' };
};

/** The provider of a channel that may stand in for another's. */
export const otherProvider = (provider: ProviderId): ProviderId =>
  provider === 'qwen' ? 'deepseek' : 'qwen';
