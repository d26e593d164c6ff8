import type { FastifyReply } from 'fastify';
import type { CatalogModel, EmbeddingsRequest } from '@tunan/contracts';
import { estimateInputs } from '@tunan/llm';
import type { CatalogView } from '@tunan/service-kit';
import type { Inference } from '../chat/inference.js';
import { cl100kBase } from '../cl100k-base.js';
import { readClientTimeouts } from '../domain/client-timeouts.js';
import { parseJsonObject } from '../domain/json-object.js';
import { requestedModel } from '../domain/requested-model.js';
import type { TokenTable } from '../domain/token-ids.js';
import { readTraceparent } from '../domain/traceparent.js';
import { hasTokenIds, toTexts, validateEmbeddings } from '../domain/validate-embeddings.js';
import type { AuthenticatedRequest, Endpoint } from '../public-api.js';
import { readIdempotency } from './read-idempotency.js';
import { takeBody } from './take-body.js';

/** Values of a body: as many token ids as a request may have, and some more, to be refused by their number. */
const VALUES_MAX = 400_000;

/** What a request asks for, as stages take it, and its body as it came. */
interface Input {
  readonly bytes: Buffer;
  readonly model: CatalogModel;
  readonly catalogVersion: number;
  readonly body: EmbeddingsRequest;
}

/** `POST /v1/embeddings`. */
export class Embeddings implements Endpoint {
  readonly method = 'POST';
  readonly path = '/v1/embeddings';

  constructor(
    private readonly catalog: CatalogView,
    private readonly inference: Inference,
  ) {}

  handle(request: AuthenticatedRequest, reply: FastifyReply): Promise<void> {
    const bytes = takeBody(request);
    const json = parseJsonObject(bytes, VALUES_MAX);
    const catalog = this.catalog.current;
    const { model } = requestedModel(json['model'], 'embedding', request.principal, catalog);
    const input = validateEmbeddings(json, model);
    const run = (vocabulary: TokenTable | undefined): Promise<void> => {
      const body = toTexts(json, input, model, vocabulary);
      return this.#run(request, { bytes, model, catalogVersion: catalog.version, body }, reply);
    };
    const vocabulary = hasTokenIds(input) ? cl100kBase() : undefined;
    return vocabulary instanceof Promise ? vocabulary.then(run) : run(vocabulary);
  }

  #run(
    request: AuthenticatedRequest,
    { bytes, model, catalogVersion, body }: Input,
    reply: FastifyReply,
  ): Promise<void> {
    const estimate = estimateInputs(body);
    return this.inference.run(
      {
        ...request,
        operation: 'embeddings',
        model,
        alias: undefined,
        catalogVersion,
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
