import type { DynamicModule, FactoryProvider } from '@nestjs/common';
import type { ConfigOf } from '@tunan/config';
import { AuthPort, authContract, BillingPort, billingContract, ExchangeHandler } from '@tunan/contracts';
import { CatalogView, serviceModule, type ServiceContext } from '@tunan/service-kit';
import { Inference } from './chat/inference.js';
import { OpenExchanges } from './chat/open-exchanges.js';
import { trustedProxies } from './client-address.js';
import { AccountReads } from './endpoints/account-reads.js';
import { BillingSubscription } from './endpoints/billing-subscription.js';
import { BillingUsage } from './endpoints/billing-usage.js';
import { ChatCompletions } from './endpoints/chat-completions.js';
import { Embeddings } from './endpoints/embeddings.js';
import { GetGeneration } from './endpoints/generation.js';
import { GetModel, ListModels } from './endpoints/models.js';
import { TokenUsage } from './endpoints/token-usage.js';
import { UserSelf } from './endpoints/user-self.js';
import { FailedAuthentications } from './failed-authentications.js';
import type { ingressConfig } from './ingress.config.js';
import { Intake } from './domain/intake.js';
import { LoopDelay } from './loop-delay.js';
import { Principals } from './principals.js';
import { PublicApi } from './public-api.js';
import { Refusals } from './refusals.js';
import { RefusedWork } from './refused-work.js';

/** Wires the ingress. The only file that knows every other one. */
export const ingressModule = (context: ServiceContext<typeof ingressConfig>): DynamicModule => {
  const { clock, config, logger, health } = context;
  const times = {
    keepAliveMs: config.INGRESS_STREAM_HEADERS_MS,
    writeStallMs: config.INGRESS_WRITE_STALL_MS,
    exchangeMsMax: config.INGRESS_EXCHANGE_MS_MAX,
  };
  return serviceModule([
    { provide: AuthPort, useValue: context.port(authContract) },
    { provide: BillingPort, useValue: context.port(billingContract) },
    { provide: ExchangeHandler, useValue: context.stage('router') },
    {
      provide: CatalogView,
      useFactory: (auth: AuthPort) => new CatalogView(auth, clock, logger, health),
      inject: [AuthPort],
    },
    {
      provide: Principals,
      useFactory: (auth: AuthPort) => new Principals(auth, clock, config.INGRESS_PRINCIPALS_MAX),
      inject: [AuthPort],
    },
    { provide: OpenExchanges, useFactory: () => new OpenExchanges(clock) },
    {
      provide: Inference,
      useFactory: (auth: AuthPort, router: ExchangeHandler, open: OpenExchanges) =>
        new Inference(auth, router, open, clock, logger, times),
      inject: [AuthPort, ExchangeHandler, OpenExchanges],
    },
    {
      provide: Refusals,
      useFactory: (auth: AuthPort) =>
        new Refusals(auth, clock, new FailedAuthentications(clock, config.INGRESS_ADDRESSES_MAX)),
      inject: [AuthPort],
    },
    { provide: AccountReads, useFactory: (auth: AuthPort) => new AccountReads(auth), inject: [AuthPort] },
    { provide: LoopDelay, useFactory: () => new LoopDelay(clock) },
    intakeProvider(config),
    {
      provide: PublicApi,
      useFactory: (
        principals: Principals,
        catalog: CatalogView,
        inference: Inference,
        reads: AccountReads,
        refusals: Refusals,
        intake: Intake,
        auth: AuthPort,
        billing: BillingPort,
      ) => {
        const api = new PublicApi(principals, refusals, intake, new RefusedWork(clock), clock, logger, {
          bodyBytesMax: config.INGRESS_BODY_BYTES_MAX,
          trustedProxies: trustedProxies(config.INGRESS_TRUSTED_PROXIES),
        });
        api.route(new ChatCompletions(catalog, inference));
        api.route(new Embeddings(catalog, inference));
        api.route(new ListModels(catalog, reads, clock));
        api.route(new GetModel(catalog, reads, clock));
        api.route(new GetGeneration(reads, auth, billing, clock));
        api.route(new UserSelf(reads, clock));
        api.route(new TokenUsage(reads, clock));
        for (const prefix of ['/v1', '']) {
          api.route(new BillingSubscription(`${prefix}/dashboard/billing/subscription`, reads, clock));
          api.route(new BillingUsage(`${prefix}/dashboard/billing/usage`, reads, billing, clock));
        }
        return api;
      },
      inject: [Principals, CatalogView, Inference, AccountReads, Refusals, Intake, AuthPort, BillingPort],
    },
  ]);
};

const intakeProvider = (config: ConfigOf<typeof ingressConfig>): FactoryProvider<Intake> => ({
  provide: Intake,
  useFactory: (loop: LoopDelay, catalog: CatalogView) =>
    new Intake(
      {
        requestsMax: config.INGRESS_REQUESTS_IN_FLIGHT_MAX,
        bodyBytesMax: Math.max(config.INGRESS_BODY_BYTES_IN_FLIGHT_MAX, config.INGRESS_BODY_BYTES_MAX),
        bodyBytesOne: config.INGRESS_BODY_BYTES_MAX,
        loopDelayMsMax: config.INGRESS_LOOP_DELAY_MS_MAX,
      },
      () => loop.p99Ms,
      (tier) => catalog.current.catalog.tiers[tier].concurrency,
    ),
  inject: [LoopDelay, CatalogView],
});
