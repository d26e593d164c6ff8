import { beforeAll, describe, expect, it } from '@jest/globals';
import { capabilitiesOf, judgeChat, PARAMETERS, type Parameter } from '@tunan/llm';
import type { ChatRequest } from '@tunan/contracts';
import { newCustomer } from '../contract/customer.js';
import type { Platform } from '../e2e/topology.js';
import { TEXT_MODELS, VISION_MODELS } from '../facts/seed-facts.js';
import { chat } from './front-door.js';
import { primaryChannel, shippedCatalog } from './shipped-catalog.js';
import { newNonce, upstreamCalls } from './upstream-calls.js';

const TOOL = {
  type: 'function',
  function: { name: 'get_tide', parameters: { type: 'object', properties: {} } },
};

/** Both are OpenAI's for a function without parameters. */
const WITHOUT_PARAMETERS = [
  { type: 'function', function: { name: 'get_moon', parameters: {} } },
  { type: 'function', function: { name: 'get_sun' } },
];

/** A use of every parameter, at a value that is not its default. */
const USES: Readonly<Record<Parameter, Readonly<Record<string, unknown>>>> = {
  temperature: { temperature: 1.9951 },
  top_p: { top_p: 0.0001 },
  max_tokens: { max_tokens: 30 },
  max_completion_tokens: { max_completion_tokens: 30 },
  stream: { stream: true },
  stop: { stop: ['zebra', 'quokka'] },
  frequency_penalty: { frequency_penalty: 1 },
  presence_penalty: { presence_penalty: 1 },
  n: { n: 2 },
  'response_format=json_object': { response_format: { type: 'json_object' } },
  'response_format=json_schema': {
    response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object' } } },
  },
  tools: { tools: [TOOL, ...WITHOUT_PARAMETERS] },
  'tools.function.strict': { tools: [{ ...TOOL, function: { ...TOOL.function, strict: true } }] },
  'tool_choice=none': { tools: [TOOL], tool_choice: 'none' },
  'tool_choice=required': { tools: [TOOL], tool_choice: 'required' },
  'tool_choice=function': {
    tools: [TOOL],
    tool_choice: { type: 'function', function: { name: 'get_tide' } },
  },
  parallel_tool_calls: { tools: [TOOL], parallel_tool_calls: false },
  seed: { seed: 2 ** 40 },
  logprobs: { logprobs: true },
  top_logprobs: { logprobs: true, top_logprobs: 2 },
  reasoning_effort: { reasoning_effort: 'minimal' },
  user: { user: 'ann' },
  metadata: { metadata: { a: 'b' } },
  store: { store: true },
  service_tier: { service_tier: 'flex' },
  prompt_cache_key: { prompt_cache_key: 'k' },
  verbosity: { verbosity: 'low' },
  logit_bias: { logit_bias: { 50256: -100 } },
  audio: { audio: { voice: 'alloy', format: 'wav' } },
  modalities: { modalities: ['text', 'audio'] },
  prediction: { prediction: { type: 'content', content: 'x' } },
  detail: {},
};

const IMAGE = { type: 'image_url', image_url: { url: 'https://example.com/a.png', detail: 'low' } };

const NEVER: readonly Parameter[] = ['logit_bias', 'audio', 'modalities', 'prediction'];
const NO_PROBABILITIES: readonly Parameter[] = ['logprobs', 'top_logprobs', ...NEVER];

/** What the models of each provider can't do at all, and answer with 400. Everything else is answered with 200. */
const CANNOT: Readonly<Record<string, readonly Parameter[]>> = {
  deepseek: NEVER,
  qwen: NO_PROBABILITIES,
  glm: NO_PROBABILITIES,
  minimax: NO_PROBABILITIES,
  'glm-4v': [
    'response_format=json_object',
    'response_format=json_schema',
    'tools',
    'tools.function.strict',
    'tool_choice=none',
    'tool_choice=required',
    'tool_choice=function',
    'parallel_tool_calls',
    ...NO_PROBABILITIES,
  ],
};

/** Every provider runs the same cases; the ones that it can't pass are the list above and no others. */
export const describeCapabilityMatrix = (platform: () => Platform): void => {
  let apiKey: string;
  beforeAll(async () => {
    ({ apiKey } = await newCustomer(platform()));
  });

  describe.each([...TEXT_MODELS, ...VISION_MODELS])('capabilities of $id', ({ id: model, provider }) => {
    const blind = TEXT_MODELS.some(({ id }) => id === model);
    const cannot = [...(CANNOT[model] ?? CANNOT[provider]!), ...(blind ? ['detail' as const] : [])];

    it.each(PARAMETERS)('%s', async (parameter) => {
      const nonce = newNonce();
      const text = `[[sim nonce=${nonce}]] Tell me of the sea.`;
      const content = parameter === 'detail' ? [{ type: 'text', text }, IMAGE] : text;
      const body = { model, messages: [{ role: 'user', content }], ...USES[parameter] };
      const answer = await chat(platform(), apiKey, body);
      if (cannot.includes(parameter)) {
        expect([answer.status, answer.body?.error?.code]).toEqual([400, 'unsupported_parameter']);
        expect(Object.keys(body)).toContain(answer.body!.error!.param!.replace(/\[.*/, ''));
        expect(await upstreamCalls(platform(), nonce)).toEqual([]);
        return;
      }
      expect([answer.status, answer.body?.error]).toEqual([200, undefined]);
      expect((await upstreamCalls(platform(), nonce)).length).toBeGreaterThan(0);
      const { adapted } = judgeChat(capabilitiesOf(primaryChannel(model)), body as unknown as ChatRequest);
      expect(answer.headers.get('x-tunan-adapted')).toBe(adapted.length === 0 ? null : adapted.join(', '));
      if (adapted.length === 0) return;
      const strict = await chat(platform(), apiKey, body, { 'x-tunan-strict-params': 'true' });
      // Another channel of the model may take what the first one would change.
      const judged = shippedCatalog
        .channels(model)
        .map((channel) => judgeChat(capabilitiesOf(channel), body as unknown as ChatRequest));
      const able = judged.some((one) => one.refused === undefined && one.adapted.length === 0);
      expect(strict.status).toBe(able ? 200 : 400);
    });
  });
};
