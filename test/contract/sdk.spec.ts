import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startAll, type Platform } from '../e2e/topology.js';
import { describeAliases } from './describe-aliases.js';
import { describeAiSdk } from './describe-ai-sdk.js';
import { describeEmbeddings } from './describe-embeddings.js';
import { describeErrors } from './describe-errors.js';
import { describeLangChain } from './describe-langchain.js';
import { describeOpenAiSdk } from './describe-openai-sdk.js';

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
  it('describes itself: every operation of the OpenAPI document has words, and is served', async () => {
    const base = platform.apiUrl.replace(/\/v1$/, '');
    const { paths } = (await (await fetch(`${base}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, { summary: string }>>;
    };
    expect(Object.keys(paths).length).toBeGreaterThan(8);
    for (const [path, operations] of Object.entries(paths))
      for (const [method, { summary }] of Object.entries(operations)) {
        expect([path, summary]).not.toEqual([path, '']);
        const url = `${base}${path.replace(/\{\w+\}/, 'x')}`;
        expect([path, (await fetch(url, { method: method.toUpperCase() })).status]).toEqual([path, 401]);
      }
  });

  describeAliases(() => platform);
  describeErrors(() => platform, 'deepseek-chat');
});
