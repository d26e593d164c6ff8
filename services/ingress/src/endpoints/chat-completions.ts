import type { FastifyReply } from 'fastify';
import type { CatalogModel, ChatRequest } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import { estimatePrompt } from '@tunan/llm';
import type { CatalogView } from '@tunan/service-kit';
import type { Inference } from '../chat/inference.js';
import { checkSupport } from '../domain/check-support.js';
import { readClientTimeouts } from '../domain/client-timeouts.js';
import { parseJsonObject } from '../domain/json-object.js';
import { requestedModel } from '../domain/requested-model.js';
import { checkThinking } from '../domain/thinking.js';
import { readTraceparent } from '../domain/traceparent.js';
import { validateChat } from '../domain/validate-chat.js';
import type { AuthenticatedRequest, Endpoint } from '../public-api.js';
import { readIdempotency } from './read-idempotency.js';
import { takeBody } from './take-body.js';

/** `POST /v1/chat/completions`. */
export class ChatCompletions implements Endpoint {
  readonly method = 'POST';
  readonly path = '/v1/chat/completions';

  constructor(
    private readonly catalog: CatalogView,
    private readonly inference: Inference,
  ) {}

  handle(request: AuthenticatedRequest, reply: FastifyReply): Promise<void> {
    const bytes = takeBody(request);
    const json = parseJsonObject(bytes);
    const catalog = this.catalog.current;
    const { model, alias } = requestedModel(json['model'], 'chat', request.principal, catalog);
    const vision = model.capabilities.includes('vision');
    const body = validateChat(json, { model: model.id, vision });
    checkThinking(body, model, catalog);
    const strictParameters = request.raw.headers['x-tunan-strict-params'] === 'true';
    checkSupport(body, model, catalog, strictParameters);
    const ceiling = explicitCeiling(body, model);
    const estimate = estimatePrompt(body, model);
    checkContext(estimate.likely, ceiling, model);
    return this.inference.run(
      {
        ...request,
        operation: 'chat',
        model,
        alias,
        catalogVersion: catalog.version,
        body: alias === undefined ? body : { ...body, model: model.id },
        stream: body.stream === true,
        includeUsage: body.stream_options?.include_usage === true,
        strictParameters,
        completions: body.n ?? 1,
        ceiling,
        promptLikely: Math.min(estimate.likely, model.contextTokens),
        promptBound: Math.min(estimate.bound, model.contextTokens),
        idempotency: readIdempotency(request, bytes),
        timeouts: readClientTimeouts(request.raw.headers),
        traceparent: readTraceparent(request.raw.headers['traceparent']),
      },
      reply.raw,
    );
  }
}

/** The client's own output limit; `max_completion_tokens` wins over `max_tokens`. */
const explicitCeiling = (body: ChatRequest, model: CatalogModel): number | null => {
  const param = body.max_completion_tokens == null ? 'max_tokens' : 'max_completion_tokens';
  const ceiling = body.max_completion_tokens ?? body.max_tokens ?? null;
  if (ceiling !== null && ceiling > model.outputTokensMax) {
    const message = `'${param}' must be at most ${model.outputTokensMax} for the model '${model.id}'.`;
    throw new Fault('invalid_value', message, { param });
  }
  return ceiling;
};

/** Refuses a prompt that cannot fit. Only what is sure is refused here; the provider judges the rest. */
const checkContext = (promptTokens: number, ceiling: number | null, model: CatalogModel): void => {
  // The estimate may be off by a third in either direction: below that only the provider can tell.
  if (promptTokens * 0.66 + Math.min(ceiling ?? 0, model.contextTokens / 2) <= model.contextTokens) return;
  throw new Fault(
    'context_length_exceeded',
    `This model's maximum context length is ${model.contextTokens} tokens. Your messages have about ${promptTokens} tokens. Please shorten them.`,
    { param: 'messages' },
  );
};
