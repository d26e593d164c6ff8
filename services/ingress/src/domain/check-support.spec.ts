import { describe, expect, it } from '@jest/globals';
import { catalog as catalogSchema, CatalogIndex, type ChatRequest, type ProviderId } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import { checkSupport } from './check-support.js';

const ALL = ['tools', 'json_object', 'json_schema'];
const MODELS: readonly [string, ProviderId, string, boolean | null, string[]][] = [
  ['deepseek-chat', 'deepseek', 'deepseek-flash', false, ALL],
  ['deepseek-reasoner', 'deepseek', 'deepseek-flash', true, ALL],
  ['qwen3.7-plus', 'qwen', 'qwen3.7-plus', false, ALL],
  ['qwen-vl-max', 'qwen', 'qwen3.7-plus', false, ['vision', ...ALL]],
  ['glm-4-plus', 'glm', 'glm-4-plus', null, ALL],
  ['glm-4v', 'glm', 'glm-4v-plus-0111', null, ['vision']],
  ['minimax-m3', 'minimax', 'MiniMax-M3', false, ALL],
  ['minimax-m2.7', 'minimax', 'MiniMax-M2.7', null, ALL],
];
const PRICE = { input: '1', output: '1' };
const CATALOG = new CatalogIndex({
  version: 1,
  catalog: catalogSchema.parse({
    models: MODELS.map(([id, ownedBy, , , capabilities]) => ({
      id,
      ownedBy,
      kind: 'chat',
      created: 1,
      contextTokens: 1_000,
      outputTokensMax: 100,
      outputTokensDefault: 100,
      thinking: /reasoner|m2/.test(id) ? 'always' : 'never',
      capabilities,
      price: PRICE,
    })),
    aliases: {},
    channels: [
      ...MODELS.map(([model, provider, upstreamModel, thinking]) => ({
        id: `${model}.${provider}`,
        model,
        provider,
        upstreamModel,
        thinking,
        priority: 1,
      })),
      {
        id: 'backup',
        model: 'deepseek-chat',
        provider: 'qwen',
        upstreamModel: 'qwen3.7-plus',
        thinking: false,
      },
    ],
    tiers: { free: { rpm: 1, tpm: 1, concurrency: 1 }, paid: { rpm: 1, tpm: 1, concurrency: 1 } },
    signupGrant: '0',
    topUps: [],
  }),
});

/** What is wrong with a request to a model of the catalog; undefined if nothing is. */
const refusalOf = (model: string, members: Record<string, unknown>, strict = false) => {
  const body = { model, messages: [{ role: 'user', content: 'Hi' }], ...members } as unknown as ChatRequest;
  try {
    checkSupport(body, CATALOG.model(model)!, CATALOG, strict);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(Fault);
    const { code, param, publicMessage: message } = error as Fault;
    return { code, param, message };
  }
};
describe('checkSupport', () => {
  it.each([
    ['deepseek-chat', { logit_bias: { 50256: -100 } }, 'logit_bias'],
    ['glm-4-plus', { logprobs: true }, 'logprobs'],
    ['qwen3.7-plus', { logprobs: true, top_logprobs: 3 }, 'logprobs'],
    ['minimax-m3', { prediction: { type: 'content', content: 'x' } }, 'prediction'],
    ['minimax-m2.7', { audio: { voice: 'a', format: 'wav' } }, 'audio'],
    ['glm-4v', { tools: [{ type: 'function', function: { name: 'f' } }] }, 'tools'],
    ['glm-4v', { response_format: { type: 'json_object' } }, 'response_format'],
  ])('%s does not support %j', (model, members, param) => {
    expect(refusalOf(model, members)).toMatchObject({ code: 'unsupported_parameter', param });
  });

  it('accepts what one of several channels takes', () => {
    expect(refusalOf('deepseek-chat', { logprobs: true })).toBeUndefined();
  });

  it.each([
    ['deepseek-chat', { frequency_penalty: 0.5 }, 'frequency_penalty'],
    ['glm-4-plus', { temperature: 1.7 }, 'temperature'],
    ['glm-4-plus', { metadata: { a: 'b' } }, 'metadata'],
    ['minimax-m3', { whim: 1 }, 'whim'],
    ['deepseek-chat', { temperature: 1.995 }, undefined],
    ['glm-4-plus', { temperature: 0.7, n: 2, stop: ['a', 'b'] }, undefined],
  ])('strictly, %s refuses in %j: %s', (model, members, param) => {
    expect(refusalOf(model, members)).toBeUndefined();
    const strict = refusalOf(model, members, true);
    if (param === undefined) expect(strict).toBeUndefined();
    else expect(strict).toMatchObject({ code: 'unsupported_parameter', param });
  });

  it('names a member that is as large as a body only by its beginning', () => {
    const { message, param } = refusalOf('minimax-m3', { ['whim'.repeat(1_000_000)]: 1 }, true)!;
    expect(param).toMatch(/^(?:whim)+w?h?i?…$/);
    expect(message).toContain("…' can't be honoured as given by the model 'minimax-m3'");
    expect(message.length).toBeLessThan(500);
  });

  it('refuses a schema that can not be used, on every model', () => {
    for (const { id, kind, capabilities } of CATALOG.catalog.models) {
      if (kind !== 'chat' || !capabilities.includes('json_schema')) continue;
      const format = (schema: object) => ({
        response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
      });
      expect(refusalOf(id, format({ type: 'object' }))).toBeUndefined();
      expect(refusalOf(id, format({ $ref: 'https://example.com' }))).toMatchObject({
        code: 'invalid_value',
        param: 'response_format.json_schema.schema',
      });
    }
  });
});
