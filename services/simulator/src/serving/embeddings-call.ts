import type { ErrorContext } from '../dialects/dialect.js';
import type { Behaviour } from '../domain/behaviour.js';
import { embed } from '../domain/embedding.js';
import { countTokens } from '../domain/tokens.js';
import { usageJson } from '../domain/usage.js';
import { sendWhole } from './answer-call.js';
import type { ServedCall } from './served-call.js';

/**
 * Answers an embeddings request; a provider without embeddings has no such path.
 * @throws Refusal as the provider would refuse it
 */
export const serveEmbeddings = (
  call: ServedCall,
  body: Record<string, unknown>,
  behaviour: Behaviour,
  context: ErrorContext,
): void => {
  const { embeddings } = call.dialect;
  if (embeddings === undefined) return call.reply(call.dialect.errorOfStatus(404, context));
  const ask = embeddings.read(body, context);
  const prompt = behaviour.prompt_tokens ?? ask.inputs.reduce((sum, input) => sum + countTokens(input), 0);
  call.answering({ tokens: { prompt, cached: 0, completion: 0, reasoning: 0 }, finishReasons: [] });
  const data = ask.inputs.map((input, index) => ({
    embedding: embed(ask.model, input, ask.dimensions),
    index,
    object: 'embedding',
  }));
  const usage = usageJson(embeddings.usage(prompt), behaviour.usage);
  sendWhole(call, behaviour, embeddings.body(ask, data, usage, call.requestId), {
    tokens: 0,
    reasoningTokens: 0,
    chars: 0,
    ...(usage !== undefined && { usage }),
  });
};
