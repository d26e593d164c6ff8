import { countTokens } from '../../domain/tokens.js';
import { BodyReader } from '../body-reader.js';
import type { EmbeddingsDialect } from '../dialect.js';
import { glmRefusal } from './glm-errors.js';
import { GLM_EMBEDDINGS } from './glm-models.js';

const BATCH_MAX = 64;

/** Embeddings of GLM: at most 64 texts; the usage has an idle `completion_tokens`. */
export const glmEmbeddings: EmbeddingsDialect = {
  read(body) {
    const reader = new BodyReader(body, (problem) => glmRefusal('1210', problem));
    const name = reader.text('model') ?? '';
    const model = Object.hasOwn(GLM_EMBEDDINGS, name) ? GLM_EMBEDDINGS[name] : undefined;
    if (model === undefined) throw glmRefusal('1211', '模型不存在，请检查模型代码。');
    const given = body['input'];
    const inputs: unknown = typeof given === 'string' ? [given] : given;
    if (
      !Array.isArray(inputs) ||
      inputs.length === 0 ||
      inputs.some((input) => typeof input !== 'string' || input === '')
    )
      throw glmRefusal('1214', 'input 参数非法。请检查文档。');
    if (inputs.length > BATCH_MAX) throw glmRefusal('1214', `input数组最大不得超过${BATCH_MAX}条`);
    if ((inputs as string[]).some((input) => countTokens(input) > model.tokensMax))
      throw glmRefusal('1261', 'Prompt 超长');
    const dimensions = reader.number(
      'dimensions',
      (value) => model.lengths.includes(value),
      'dimensions 参数非法',
    );
    return { model: name, inputs: inputs as string[], dimensions: dimensions ?? model.lengths[0]! };
  },
  usage: (tokens) => ({ prompt_tokens: tokens, completion_tokens: 0, total_tokens: tokens }),
  body: (ask, data, usage) => {
    const head = JSON.stringify({ model: ask.model, object: 'list', data });
    return usage === undefined ? head : `${head.slice(0, -1)},"usage":${usage}}`;
  },
};
