import type { FastifyReply } from 'fastify';
import { estimateInputs } from '@tunan/llm';
import type { CatalogView } from '@tunan/service-kit';
import type { Inference } from '../chat/inference.js';
import { cl100kBase } from '../cl100k-base.js';
import { readClientTimeouts } from '../domain/client-timeouts.js';
import { parseJsonObject } from '../domain/json-object.js';
import { requestedModel } from '../domain/requested-model.js';
import { readTraceparent } from '../domain/traceparent.js';
import { hasTokenIds, toTexts, validateEmbeddings } from '../domain/validate-embeddings.js';
import type { AuthenticatedRequest, Endpoint } from '../public-api.js';
import { readIdempotency } from './read-idempotency.js';
import { takeBody } from './take-body.js';

/** `POST /v1/embeddings`. */
export class Embeddings implements Endpoint {
  readonly method = 'POST';
  readonly path = '/v1/embeddings';

  constructor(
    private readonly catalog: CatalogView,
    private readonly inference: Inference,
  ) {}

  async handle(request: AuthenticatedRequest, reply: FastifyReply): Promise<void> {
    const bytes = takeBody(request);
    const json = parseJsonObject(bytes);
    const catalog = this.catalog.current;
    const { model } = requestedModel(json['model'], 'embedding', request.principal, catalog);
    const input = validateEmbeddings(json, model);
    const vocabulary = hasTokenIds(input) ? await cl100kBase() : undefined;
    const body = toTexts(json, input, model, vocabulary);
    const estimate = estimateInputs(body);
    return this.inference.run(
      {
        ...request,
        operation: 'embeddings',
        model,
        alias: undefined,
        catalogVersion: catalog.version,
        body,
        stream: false,
        includeUsage: false,
        strictParameters: false,
        completions: 1,
        // An embedding has no output tokens: nothing is held for them.
        ceiling: 0,
        promptLikely: estimate.likely,
        promptBound: estimate.bound,
        idempotency: readIdempotency(request, bytes),
        timeouts: readClientTimeouts(request.raw.headers),
        traceparent: readTraceparent(request.raw.headers['traceparent']),
      },
      reply.raw,
    );
  }
}
