import { describe, expect, it } from '@jest/globals';
import type { ChatRequest, ProviderId } from '@tunan/contracts';
import { judgeChat } from './judge-chat.js';
import { PARAMETERS } from './parameters.js';
import { sentValue } from './treatment.js';
import { capabilitiesOf } from './upstream-models.js';

const judge = (
  provider: ProviderId,
  members: Record<string, unknown>,
  { upstreamModel = 'some-model', thinking = false }: { upstreamModel?: string; thinking?: boolean } = {},
) =>
  judgeChat(capabilitiesOf({ provider, upstreamModel, thinking }), {
    model: 'm',
    messages: [],
    ...members,
  } as ChatRequest);

describe('judgeChat', () => {
  it.each([
    ['deepseek', { temperature: 2 }, []],
    ['qwen', { temperature: 2 }, ['temperature=1.99']],
    ['qwen', { temperature: 1.5 }, []],
    ['glm', { temperature: 1.5 }, ['temperature=1.0']],
    ['glm', { temperature: 0.333 }, ['temperature=0.33']],
    ['minimax', { temperature: 2, top_p: 0 }, []],
    ['qwen', { top_p: 0 }, ['top_p=0.001']],
    [
      'deepseek',
      { frequency_penalty: 0.5, presence_penalty: 1 },
      ['frequency_penalty=ignored', 'presence_penalty=ignored'],
    ],
    ['qwen', { frequency_penalty: 0.5, presence_penalty: 1 }, ['frequency_penalty=ignored']],
    ['qwen', { seed: 7 }, []],
    ['qwen', { seed: -7 }, ['seed=ignored']],
    ['glm', { seed: 7, user: 'ann' }, ['seed=ignored']],
    ['deepseek', { metadata: { a: 'b' }, whim: 1 }, ['metadata=ignored', 'whim=ignored']],
    ['deepseek', { 'a b,c=\r\n': 1 }, ['a%20b%2Cc%3D%0D%0A=ignored']],
    [
      'deepseek',
      { tools: [{ type: 'function', function: { name: 'f', strict: true } }] },
      ['tools.function.strict=ignored'],
    ],
  ] as const)('%s adapts %j: %j', (provider, members, adapted) => {
    expect(judge(provider, members).adapted).toEqual(adapted);
  });

  it('tells once that an image’s detail is ignored, unless it is the default', () => {
    const seeing = (...details: readonly unknown[]) => ({
      messages: [
        { role: 'system', content: 'Look.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is it?' },
            ...details.map((detail) => ({
              type: 'image_url',
              image_url: { url: 'https://a.example/', detail },
            })),
          ],
        },
      ],
    });
    for (const provider of ['qwen', 'glm'] as const) {
      expect(judge(provider, seeing('auto', null, undefined)).adapted).toEqual([]);
      expect(judge(provider, seeing('auto', 'high', 'low'))).toMatchObject({
        adapted: ['detail=ignored'],
        firstAdapted: 'detail',
      });
    }
  });

  it('judges functions as the tools that they become', () => {
    const vision = { upstreamModel: 'glm-4v-plus-0111' };
    expect(judge('glm', { functions: [{ name: 'f' }] }, vision).refused).toBe('functions');
    expect(judge('glm', { function_call: { name: 'f' } }, vision).refused).toBe('function_call');
    expect(judge('glm', { functions: [], function_call: 'auto' }, vision).refused).toBeUndefined();
  });

  it('knows what thinking changes', () => {
    expect(judge('deepseek', { temperature: 0.2, top_p: 0.5 }, { thinking: true }).adapted).toEqual([
      'temperature=ignored',
      'top_p=0.95',
    ]);
    expect(judge('deepseek', { reasoning_effort: 'medium' }, { thinking: true }).adapted).toEqual([
      'reasoning_effort=high',
    ]);
    expect(judge('deepseek', { reasoning_effort: 'high' }, { thinking: true }).adapted).toEqual([]);
  });

  it.each([
    ['deepseek', { logit_bias: { 1: 2 } }, 'logit_bias'],
    ['glm', { logprobs: true, top_logprobs: 2 }, 'logprobs'],
    ['qwen', { modalities: ['text', 'audio'] }, 'modalities'],
    ['minimax', { prediction: { type: 'content', content: 'x' } }, 'prediction'],
    ['minimax', { audio: {} }, 'audio'],
    ['deepseek', { logprobs: true, top_logprobs: 2 }, undefined],
  ] as const)('%s refuses in %j: %s', (provider, members, refused) => {
    expect(judge(provider, members).refused).toBe(refused);
  });

  it('refuses tools and JSON where images are seen and neither is documented', () => {
    const vision = { upstreamModel: 'glm-4v-plus-0111' };
    expect(judge('glm', { tools: [{ type: 'function', function: { name: 'f' } }] }, vision).refused).toBe(
      'tools',
    );
    expect(judge('glm', { response_format: { type: 'json_object' } }, vision).refused).toBe(
      'response_format',
    );
  });

  // Guarantee: a documented default is accepted in every class, and says nothing.
  it.each(['deepseek', 'qwen', 'glm', 'minimax'] as const)(
    '%s accepts every documented default',
    (provider) => {
      const defaults = {
        temperature: 1,
        top_p: 1,
        frequency_penalty: 0,
        presence_penalty: 0,
        n: 1,
        stop: null,
        stream: false,
        logprobs: false,
        top_logprobs: 0,
        logit_bias: {},
        modalities: ['text'],
        audio: null,
        prediction: null,
        store: false,
        service_tier: 'auto',
        parallel_tool_calls: true,
        tool_choice: 'auto',
        tools: [],
        metadata: {},
        verbosity: 'medium',
        response_format: { type: 'text' },
        user: null,
        seed: null,
        reasoning_effort: null,
      };
      expect(judge(provider, defaults)).toEqual({ refused: undefined, adapted: [], firstAdapted: undefined });
    },
  );

  // Guarantee: what a client invents never makes an answer whose headers nobody can read, and hides nothing documented.
  it.each(['x', '字', '\ud83d', '\r\n'])(
    'does not let a header grow with what a client invents, and says how much it leaves out: %j',
    (char) => {
      const members = Object.fromEntries(
        Array.from({ length: 200 }, (_, index) => [`${index}${char.repeat(100)}`, 1]),
      );
      const { adapted } = judge('deepseek', { ...members, seed: -7, frequency_penalty: 1 });
      expect(adapted.join(', ').length).toBeLessThan(2_048);
      expect(adapted.join(', ')).toMatch(/^[\x21-\x7e]+(?:, [\x21-\x7e]+)*, and \d+ more$/);
      expect(adapted).toContain('frequency_penalty=ignored');
      const unknown = adapted.filter((note) => /^\d/.test(note)).length;
      expect(unknown).toBeGreaterThan(0);
      expect(adapted.at(-1)).toBe(`and ${200 - unknown} more`);
    },
  );
});

describe('capabilitiesOf', () => {
  it.each(['deepseek', 'qwen', 'glm', 'minimax'] as const)('has every parameter for %s', (provider) => {
    for (const thinking of [true, false, null])
      expect(Object.keys(capabilitiesOf({ provider, upstreamModel: 'x', thinking })).sort()).toEqual(
        [...PARAMETERS].sort(),
      );
  });

  it('tells the families of Qwen that take schemas', () => {
    const classOf = (upstreamModel: string) =>
      capabilitiesOf({ provider: 'qwen', upstreamModel, thinking: false })['response_format=json_schema']
        .class;
    expect(classOf('qwen-plus')).toBe('honoured');
    expect(classOf('qwen3-max')).toBe('honoured');
    expect(classOf('qwen3.7-max')).toBe('emulated');
  });
});

describe('sentValue', () => {
  it.each([
    [{ class: 'refused' }, 1, undefined],
    [{ class: 'emulated' }, 1, undefined],
    [{ class: 'honoured' }, 'x', 'x'],
    [{ class: 'advisory' }, 1, undefined],
    [{ class: 'advisory', bounds: { min: 0, max: 1, outside: 'nearest' } }, '1', undefined],
  ] as const)('%j of %j is %j', (treatment, value, sent) => {
    expect(sentValue(treatment, value)).toBe(sent);
  });
});
