import { afterAll, beforeAll, describe } from '@jest/globals';
import { startAll, type Platform } from '../e2e/topology.js';
import { describeAliases } from './describe-aliases.js';
import { describeAiSdk } from './describe-ai-sdk.js';
import { describeEmbeddings } from './describe-embeddings.js';
import { describeErrors } from './describe-errors.js';
import { describeLangChain } from './describe-langchain.js';
import { describeOpenAiSdk } from './describe-openai-sdk.js';
import { describeOpenApi } from './describe-openapi.js';

/** Chat models that the suite runs for. */
const CHAT_MODELS = ['deepseek-chat', 'qwen3.7-plus', 'glm-4-plus', 'minimax-m3'];
const EMBEDDING_MODELS = [
  ['text-embedding-v3', 1_024],
  ['embedding-3', 2_048],
] as const;

describe('the contract as official clients see it', () => {
  let platform: Platform;
  beforeAll(async () => {
    platform = await startAll();
  }, 180_000);
  afterAll(() => platform.stop(), 60_000);

  for (const model of CHAT_MODELS) {
    describeOpenAiSdk(() => platform, model);
    describeLangChain(() => platform, model);
    describeAiSdk(() => platform, model);
  }
  for (const [model, dimensions] of EMBEDDING_MODELS) describeEmbeddings(() => platform, model, dimensions);
  describeAliases(() => platform);
  describeErrors(() => platform, 'deepseek-chat');
  describeOpenApi(() => platform);
});
