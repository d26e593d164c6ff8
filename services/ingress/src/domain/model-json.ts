import { pricePerMillion, type CatalogIndex, type CatalogModel } from '@tunan/contracts';
import { z } from 'zod';
import type { ModelAnswer } from './answers.js';

/** A model as `GET /v1/models` shows it: OpenAI's members, then what a customer needs to choose one. */
export const modelJson = (model: CatalogModel, catalog: CatalogIndex): ModelAnswer => ({
  id: model.id,
  object: 'model',
  created: model.created,
  owned_by: model.ownedBy,
  context_length: model.contextTokens,
  max_output_tokens: model.outputTokensMax,
  pricing: pricing(model, catalog),
  capabilities: model.capabilities,
  backup_channels: Math.max(0, catalog.channels(model.id).length - 1),
});

/** US dollars per million tokens, as decimal strings. */
const pricing = (model: CatalogModel, catalog: CatalogIndex): ModelAnswer['pricing'] => {
  const price = catalog.price(model.id)!;
  return {
    input: z.encode(pricePerMillion, price.input),
    cached_input: z.encode(pricePerMillion, price.cachedInput),
    output: z.encode(pricePerMillion, price.output),
  };
};
