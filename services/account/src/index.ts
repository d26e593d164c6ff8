import { authContract, billingContract } from '@tunan/contracts';
import { createNestHttp, type ServiceDefinition } from '@tunan/service-kit';
import { accountConfig } from './account.config.js';
import { observeBelowCost } from './account.metrics.js';
import { accountModule } from './account.module.js';
import { CatalogSeed } from './catalog-seed.js';
import { Catalogs } from './catalogs.js';
import { requireOperator } from './edges/operator-token.js';
import { OpeningCredits } from './opening-credits.js';

/** Accounts, their keys and credits, the catalog, and the operator API over them. */
export const account: ServiceDefinition<typeof accountConfig> = {
  name: 'account',
  config: accountConfig,
  requires: [authContract, billingContract],
  postgres: true,
  async start(context) {
    const authorize = requireOperator(context.config.OPERATOR_TOKEN);
    const { app, handle, drain } = await createNestHttp(accountModule(context), context, { authorize });
    const seed = app.get(CatalogSeed);
    const openings = app.get(OpeningCredits);
    const catalogs = app.get(Catalogs);
    observeBelowCost(context.metrics, () => catalogs.belowCost());
    await seed.start();
    openings.start();
    return {
      contracts: [],
      stages: {},
      surfaces: [{ listener: 'ops', prefixes: ['/operator/v1'], handle }],
      drain,
      async stop() {
        seed.stop();
        await openings.stop();
        await app.close();
      },
    };
  },
};
