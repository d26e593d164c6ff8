import { countTokens } from '../../domain/tokens.js';
import { BodyReader } from '../body-reader.js';
import type { EmbeddingsDialect } from '../dialect.js';
import { qwenModelRefusal, qwenRefusal } from './qwen-errors.js';
import { QWEN_EMBEDDINGS } from './qwen-models.js';

const BATCH_MAX = 10;
const INPUT_TOKENS_MAX = 8_192;

/** Embeddings of Model Studio: at most ten texts, floats only, token ids refused. */
export const qwenEmbeddings: EmbeddingsDialect = {
  read(body, context) {
    const refuse = (problem: string) => qwenRefusal(problem, context);
    const reader = new BodyReader(body, refuse);
    const model = reader.text('model') ?? '';
    const lengths = Object.hasOwn(QWEN_EMBEDDINGS, model) ? QWEN_EMBEDDINGS[model]! : undefined;
    if (lengths === undefined) throw qwenModelRefusal(model, false, context);
    const given = body['input'];
    const inputs: unknown = typeof given === 'string' ? [given] : given;
    if (!Array.isArray(inputs) || inputs.length === 0 || inputs.some((input) => typeof input !== 'string'))
      throw refuse('Value error, contents is neither str nor list of str.: input.contents');
    if (inputs.length > BATCH_MAX)
      throw refuse(
        `Value error, batch size is invalid, it should not be larger than ${BATCH_MAX}.: input.contents`,
      );
    for (const input of inputs as string[]) {
      const tokens = countTokens(input);
      if (tokens < 1 || tokens > INPUT_TOKENS_MAX)
        throw refuse(`Range of input length should be [1, ${INPUT_TOKENS_MAX}]`);
    }
    const dimensions = reader.number(
      'dimensions',
      (value) => lengths.includes(value),
      `Value error, dimension should be one of [${lengths.join(', ')}]`,
    );
    return { model, inputs: inputs as string[], dimensions: dimensions ?? lengths[0]! };
  },
  usage: (tokens) => ({ prompt_tokens: tokens, total_tokens: tokens }),
  body: (ask, data, usage, requestId) =>
    `${JSON.stringify({ data, model: ask.model, object: 'list' }).slice(0, -1)}${usage === undefined ? '' : `,"usage":${usage}`},"id":"${requestId}"}`,
};
