import { authContract, type ExchangeHandler, type ProviderId } from '@tunan/contracts';
import { RetryBudget } from '@tunan/resilience';
import { CatalogView, createNestContext, serviceModule, type ServiceDefinition } from '@tunan/service-kit';
import { ChannelHealth } from './domain/channel-health.js';
import { RouterMetrics } from './edges/router-metrics.js';
import { RouteExchange } from './route-exchange.js';
import { routerConfig } from './router.config.js';

/** The router: model → channels, failover, retries, breakers, deadlines. Knows no dialect and touches no store. */
export const router: ServiceDefinition<typeof routerConfig> = {
  name: 'router',
  config: routerConfig,
  requires: [authContract],
  stages: (config) => config.ROUTER_PROVIDERS.map((provider) => `connector/${provider}` as const),
  postgres: false,
  async start(context) {
    const { clock, logger, config } = context;
    const nest = await createNestContext(
      serviceModule([
        {
          provide: CatalogView,
          useFactory: () => new CatalogView(context.port(authContract), clock, logger, context.health),
        },
        { provide: ChannelHealth, useFactory: () => new ChannelHealth(clock, Math.random) },
        { provide: RetryBudget, useFactory: () => new RetryBudget(clock) },
        {
          provide: RouterMetrics,
          inject: [CatalogView, ChannelHealth],
          useFactory: (catalog: CatalogView, health: ChannelHealth) =>
            new RouterMetrics(context.metrics, () => channelStates(catalog, health)),
        },
        {
          provide: RouteExchange,
          inject: [CatalogView, ChannelHealth, RetryBudget, RouterMetrics],
          useFactory: (
            catalog: CatalogView,
            health: ChannelHealth,
            budget: RetryBudget,
            metrics: RouterMetrics,
          ) =>
            new RouteExchange({
              catalog,
              health,
              budget,
              metrics,
              clock,
              logger,
              random: Math.random,
              attemptsMax: config.ROUTER_ATTEMPTS_MAX,
              connectors: new Map<ProviderId, ExchangeHandler>(
                config.ROUTER_PROVIDERS.map((provider) => [provider, context.stage(`connector/${provider}`)]),
              ),
            }),
        },
      ]),
      context,
    );
    const catalog = nest.get(CatalogView);
    catalog.start();
    return {
      contracts: [],
      stages: { router: nest.get(RouteExchange) },
      surfaces: [],
      // Requests under way are the ingress's to end; nothing of the router outlives them.
      drain: () => Promise.resolve(),
      stop: async () => {
        catalog.stop();
        await nest.close();
      },
    };
  },
};

const channelStates = (catalog: CatalogView, health: ChannelHealth) => {
  try {
    return catalog.current.catalog.channels.map((channel) => [channel.id, health.state(channel.id)] as const);
  } catch {
    // No catalog yet: no channels.
    return [];
  }
};
