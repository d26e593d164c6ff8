import { describe, expect, it } from '@jest/globals';
import type { ChatRequest, ProviderId } from '@tunan/contracts';
import { DIALECTS } from '../providers/index.js';
import type { ChatCall } from './dialect.js';
import { encodeChat } from './encode-chat.js';

const MODELS: Readonly<Record<ProviderId, string>> = {
  deepseek: 'deepseek-flash',
  qwen: 'qwen3.7-max',
  glm: 'glm-4-plus',
  minimax: 'MiniMax-M3',
};
const TOOL = {
  type: 'function',
  function: { name: 'f', description: 'd', parameters: { type: 'object' }, strict: true },
} as const;
const OTHER = { type: 'function', function: { name: 'g' } } as const;
const named = (name: string) => ({ type: 'function', function: { name } });

const encode = (provider: ProviderId, request: Partial<ChatRequest> = {}, call: Partial<ChatCall> = {}) => {
  const given: ChatRequest = { model: 'public', messages: [{ role: 'user', content: 'Hi' }], ...request };
  const frozen = JSON.stringify(given);
  const encoded = encodeChat(DIALECTS[provider], given, {
    upstreamModel: MODELS[provider],
    thinking: false,
    ceiling: 500,
    stream: true,
    accountId: 'acc_1',
    strict: false,
    ...call,
  });
  // Guarantee: failover encodes the same request again for another provider.
  expect(JSON.stringify(given)).toBe(frozen);
  return {
    ...encoded,
    sent: JSON.parse(encoded.body.toString()) as Record<string, unknown> & {
      messages: { role: string; content: string }[];
    },
  };
};

describe('encodeChat', () => {
  it.each([
    [
      'deepseek',
      { max_tokens: 500, thinking: { type: 'disabled' }, stream_options: { include_usage: true } },
    ],
    ['qwen', { max_completion_tokens: 500, enable_thinking: false, stream_options: { include_usage: true } }],
    ['glm', { max_tokens: 500, thinking: { type: 'disabled' } }],
    [
      'minimax',
      {
        max_completion_tokens: 500,
        thinking: { type: 'disabled' },
        reasoning_split: true,
        stream_options: { include_usage: true },
      },
    ],
  ] as const)('writes the least request of %s', (provider, members) => {
    expect(encode(provider).sent).toEqual({
      model: MODELS[provider],
      messages: [{ role: 'user', content: 'Hi' }],
      stream: true,
      ...members,
    });
  });

  it.each([
    ['deepseek', { thinking: { type: 'enabled' } }],
    ['qwen', { enable_thinking: true }],
    ['glm', { thinking: { type: 'enabled' } }],
    ['minimax', { thinking: { type: 'adaptive' } }],
  ] as const)('switches thinking of %s on', (provider, members) => {
    expect(encode(provider, {}, { thinking: true }).sent).toMatchObject(members);
  });

  it.each(['deepseek', 'qwen', 'glm', 'minimax'] as const)(
    'sends no thinking switch to %s where the channel has none',
    (provider) => {
      const { sent } = encode(provider, {}, { thinking: null });
      expect(sent).not.toHaveProperty('thinking');
      expect(sent).not.toHaveProperty('enable_thinking');
    },
  );

  // Guarantee: only what a provider is known to take is sent, so nothing that a client invents makes it refuse.
  it.each(['deepseek', 'qwen', 'glm', 'minimax'] as const)('leaves out what %s does not know', (provider) => {
    const { sent } = encode(provider, {
      n: 3,
      metadata: { a: 'b' },
      store: true,
      service_tier: 'auto',
      stream_options: { include_usage: false },
      max_tokens: 7,
      max_completion_tokens: 8,
      verbosity: 'low',
    });
    for (const name of ['n', 'metadata', 'store', 'service_tier', 'verbosity'])
      expect(sent).not.toHaveProperty(name);
    expect([sent['max_tokens'], sent['max_completion_tokens']]).toEqual(
      expect.arrayContaining([500, undefined]),
    );
  });

  it('asks for no usage in unary calls', () => {
    expect(encode('deepseek', {}, { stream: false }).sent).not.toHaveProperty('stream_options');
  });

  it.each([
    ['deepseek', 2, 2],
    ['qwen', 2, 1.99],
    ['glm', 2, 1],
    ['glm', 0.333, 0.33],
    ['minimax', 2, 2],
  ] as const)('sends %s temperature %d as %d', (provider, given, sent) => {
    expect(encode(provider, { temperature: given }).sent['temperature']).toBe(sent);
  });

  it('asks GLM to decode greedily at temperature 0', () => {
    for (const temperature of [0, 0.004])
      expect(encode('glm', { temperature }).sent).toMatchObject({ temperature: 0, do_sample: false });
  });

  it.each([
    ['qwen', 0, 0.001],
    ['glm', 0, 0.01],
    ['minimax', 0, 0],
    ['deepseek', 0.5, undefined],
  ] as const)('sends %s top_p %d as %s', (provider, given, sent) => {
    expect(encode(provider, { top_p: given }).sent['top_p']).toBe(sent);
  });

  it('knows which models of Qwen bound all output by which field', () => {
    expect(encode('qwen', {}, { upstreamModel: 'qwen-coder-plus' }).sent).toMatchObject({ max_tokens: 500 });
    expect(encode('qwen', {}, { upstreamModel: 'qwen3.5-flash' }).sent).toMatchObject({
      max_completion_tokens: 500,
    });
  });

  it('keeps the ceiling within what the provider takes', () => {
    expect(encode('deepseek', {}, { ceiling: 1_000_000 }).sent['max_tokens']).toBe(393_216);
    expect(encode('glm', {}, { ceiling: 1_000_000 }).sent['max_tokens']).toBe(131_072);
  });

  it.each([
    ['deepseek', ['a', 'b'], ['a', 'b'], []],
    ['qwen', 'a', ['a'], []],
    ['glm', 'a', ['a'], []],
    ['glm', ['a', 'b'], ['a'], ['a', 'b']],
    ['minimax', ['a', 'b'], undefined, ['a', 'b']],
  ] as const)('sends %s stop %j as %j and cuts at %j itself', (provider, stop, sent, local) => {
    const encoded = encode(provider, { stop });
    expect(encoded.sent['stop']).toEqual(sent);
    expect(encoded.localStops).toEqual(local);
  });

  // Guarantee: users of two customers with one name stay two users, and neither name leaves the house.
  it.each(['deepseek', 'glm'] as const)(
    'tells %s a user only as a hash that belongs to the account',
    (provider) => {
      const first = encode(provider, { user: 'ann@example.com' }).sent['user_id'];
      const second = encode(provider, { user: 'ann@example.com' }, { accountId: 'acc_2' }).sent['user_id'];
      expect(first).toMatch(/^[0-9a-f]{64}$/);
      expect(second).not.toBe(first);
      expect(encode('qwen', { user: 'ann' }).body.toString()).not.toContain('ann');
    },
  );

  it.each([
    [true, 'medium', 'high'],
    [true, 'minimal', 'low'],
    [false, 'high', undefined],
  ])('with thinking %s sends DeepSeek effort %s as %s', (thinking, given, sent) => {
    expect(encode('deepseek', { reasoning_effort: given }, { thinking }).sent['reasoning_effort']).toBe(sent);
  });

  describe('tools', () => {
    it('sends them without `strict` and always with parameters', () => {
      const empty = { type: 'function', function: { name: 'h', parameters: {} } } as const;
      expect(encode('deepseek', { tools: [TOOL, OTHER, empty] }).sent['tools']).toEqual([
        { type: 'function', function: { name: 'f', description: 'd', parameters: { type: 'object' } } },
        { type: 'function', function: { name: 'g', parameters: { type: 'object', properties: {} } } },
        { type: 'function', function: { name: 'h', parameters: { type: 'object', properties: {} } } },
      ]);
      expect(encode('deepseek', { tools: [] }).sent).not.toHaveProperty('tools');
    });

    it('asks Qwen for parallel calls unless they are forbidden, and drops more than one wherever they are', () => {
      expect(encode('qwen', { tools: [TOOL] }).sent['parallel_tool_calls']).toBe(true);
      expect(encode('qwen', { tools: [TOOL], parallel_tool_calls: false }).sent['parallel_tool_calls']).toBe(
        false,
      );
      for (const provider of ['qwen', 'deepseek'] as const)
        expect(encode(provider, { tools: [TOOL], parallel_tool_calls: false }).toolCallsMax).toBe(1);
      expect(encode('deepseek', { tools: [TOOL] }).toolCallsMax).toBeGreaterThan(1);
    });

    it.each([
      ['deepseek', false, 'auto', { tools: 2, choice: undefined, instructed: false }],
      ['deepseek', false, 'required', { tools: 2, choice: 'required', instructed: false }],
      ['deepseek', false, named('f'), { tools: 2, choice: named('f'), instructed: false }],
      ['deepseek', true, 'required', { tools: 2, choice: undefined, instructed: true }],
      ['deepseek', true, named('f'), { tools: 1, choice: undefined, instructed: true }],
      ['deepseek', true, 'none', { tools: 2, choice: 'none', instructed: false }],
      ['qwen', false, 'required', { tools: 2, choice: undefined, instructed: true }],
      ['qwen', false, named('f'), { tools: 2, choice: named('f'), instructed: false }],
      ['qwen', true, named('f'), { tools: 1, choice: undefined, instructed: true }],
      ['glm', false, 'none', { tools: 0, choice: undefined, instructed: false }],
      ['glm', false, 'required', { tools: 2, choice: undefined, instructed: true }],
      ['minimax', false, named('g'), { tools: 1, choice: undefined, instructed: true }],
      ['minimax', false, 'auto', { tools: 2, choice: undefined, instructed: false }],
    ] as const)('%s, thinking %s: tool_choice %j', (provider, thinking, choice, expected) => {
      const { sent } = encode(provider, { tools: [TOOL, OTHER], tool_choice: choice }, { thinking });
      expect((sent['tools'] as unknown[] | undefined)?.length ?? 0).toBe(expected.tools);
      expect(sent['tool_choice']).toEqual(expected.choice);
      expect(sent.messages.some(({ role, content }) => role === 'system' && /calling/.test(content))).toBe(
        expected.instructed,
      );
    });

    it('sends a required choice between one function to Qwen by its name', () => {
      expect(encode('qwen', { tools: [TOOL], tool_choice: 'required' }).sent['tool_choice']).toEqual(
        named('f'),
      );
    });

    it.each([
      ['deepseek', false, 'required', true],
      ['deepseek', true, 'required', true],
      ['deepseek', false, named('f'), true],
      ['deepseek', false, 'none', false],
      ['qwen', false, 'required', true],
      ['qwen', false, named('f'), true],
      ['glm', false, named('f'), true],
      ['minimax', false, 'required', true],
      ['glm', false, 'auto', false],
    ] as const)('%s, thinking %s: checks %j: %s', (provider, thinking, choice, checked) => {
      const request = { tools: [TOOL, OTHER], tool_choice: choice };
      expect(encode(provider, request, { thinking }).check !== undefined).toBe(checked);
    });

    it('translates functions of the time before tools', () => {
      const { sent } = encode('deepseek', {
        functions: [{ name: 'f', parameters: {} }],
        function_call: { name: 'f' },
      });
      expect(sent['tools']).toEqual([
        { type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } },
      ]);
      expect(sent['tool_choice']).toEqual(named('f'));
    });
  });

  describe('response_format', () => {
    const schema = { type: 'object', properties: { a: { type: 'string' } } };
    const format = (given: object = schema) => ({
      type: 'json_schema',
      json_schema: { name: 'x', description: 'of y', schema: { ...given } },
    });
    const wordsOf = ({ messages }: { messages: { role: string; content: string }[] }) =>
      messages
        .filter(({ role }) => role === 'system')
        .map(({ content }) => content)
        .join();

    it.each([
      ['deepseek', true, { type: 'json_object' }],
      ['qwen', true, undefined],
      ['glm', false, { type: 'json_object' }],
      ['minimax', false, undefined],
    ] as const)('%s, thinking %s: a schema is told in words', (provider, thinking, sent) => {
      const encoded = encode(provider, { response_format: format() }, { thinking });
      expect(encoded.sent['response_format']).toEqual(sent);
      expect(encoded.sent['tools']).toBeUndefined();
      expect(wordsOf(encoded.sent)).toContain(JSON.stringify(schema));
      expect(encoded.check).toBeDefined();
    });

    it.each(['deepseek', 'qwen'] as const)('%s: a schema is a function that has to be called', (provider) => {
      const encoded = encode(provider, { response_format: format() });
      expect(encoded.sent['response_format']).toBeUndefined();
      expect(encoded.sent['tools']).toEqual([
        {
          type: 'function',
          function: { name: 'answer', description: 'Takes the answer, x: of y.', parameters: schema },
        },
      ]);
      expect(encoded.sent['tool_choice']).toEqual(named('answer'));
      expect(encoded.check).toBeDefined();
    });

    it('sends a schema as it is where the model takes it', () => {
      const encoded = encode('qwen', { response_format: format() }, { upstreamModel: 'qwen-plus' });
      expect(encoded.sent['response_format']).toEqual(format());
      expect(encoded.check).toBeDefined();
    });

    // Guarantee: a schema does not keep the model from calling the client's own tools.
    it.each(['deepseek', 'qwen', 'glm', 'minimax'] as const)(
      '%s: a schema stands beside tools',
      (provider) => {
        const encoded = encode(provider, { response_format: format(), tools: [TOOL] });
        expect(encoded.sent['tools']).toHaveLength(1);
        expect(encoded.sent['tool_choice']).toBeUndefined();
        expect(wordsOf(encoded.sent)).toContain(JSON.stringify(schema));
      },
    );

    it('does not make a function of a schema that is no object', () => {
      const encoded = encode('deepseek', { response_format: format({ type: 'array' }) });
      expect(encoded.sent['tools']).toBeUndefined();
      expect(wordsOf(encoded.sent)).toContain('{"type":"array"}');
    });

    // Guarantee: JSON mode, which writes objects only, is not asked for what is no object.
    it.each([
      [{ type: 'array', items: { type: 'string' } }, undefined],
      [{ enum: ['a', 'b'] }, undefined],
      [{ anyOf: [{ type: 'array' }, { type: 'null' }] }, undefined],
      [{ $ref: '#/$defs/list', $defs: { list: { type: 'array' } } }, undefined],
      [{ anyOf: [{ type: 'array' }, { type: 'object' }] }, { type: 'json_object' }],
      [{ type: ['object', 'null'] }, { type: 'json_object' }],
      [{ properties: { a: {} } }, { type: 'json_object' }],
    ])('sends JSON mode for %j: %j', (given, sent) => {
      for (const provider of ['deepseek', 'glm', 'qwen'] as const)
        expect(encode(provider, { response_format: format(given) }).sent['response_format']).toEqual(sent);
    });

    it('lets a forced tool go before a schema', () => {
      const request = { response_format: format(), tools: [TOOL], tool_choice: named('f') };
      expect(wordsOf(encode('deepseek', request).sent)).not.toContain(JSON.stringify(schema));
      expect(encode('deepseek', request).sent['tool_choice']).toEqual(named('f'));
    });

    it('checks that JSON is JSON, whether or not the provider has a mode for it', () => {
      const json = { response_format: { type: 'json_object' } };
      for (const provider of ['deepseek', 'qwen', 'glm', 'minimax'] as const)
        expect(encode(provider, json).check).toBeDefined();
      expect(encode('qwen', json, { thinking: true }).check).toBeDefined();
    });

    it('adds the word that JSON mode needs only where it is missing', () => {
      const with_ = encode('deepseek', {
        response_format: { type: 'json_object' },
        messages: [{ role: 'user', content: 'as json' }],
      });
      const without = encode('deepseek', { response_format: { type: 'json_object' } });
      expect(with_.sent.messages).toHaveLength(1);
      expect(without.sent.messages.at(-1)).toEqual({ role: 'system', content: 'Answer in JSON.' });
    });

    it('sends nothing for text', () => {
      expect(encode('deepseek', { response_format: { type: 'text' } }).sent).not.toHaveProperty(
        'response_format',
      );
    });
  });

  it('says what it does not send as it was given', () => {
    const request = { temperature: 2, seed: 1, frequency_penalty: 1, whim: true };
    expect(encode('glm', request).adapted).toBe(
      'temperature=1.0, seed=ignored, frequency_penalty=ignored, whim=ignored',
    );
    expect(encode('glm', { temperature: 0.5 }).adapted).toBeUndefined();
  });

  it('refuses what the model refuses, and strictly also what it would change', () => {
    expect(() => encode('glm', { logprobs: true })).toThrow("'logprobs' is not supported");
    expect(() => encode('glm', { temperature: 2 }, { strict: true })).toThrow(
      "'temperature' is not supported",
    );
  });

  it('tells the model why its answer before was not accepted', () => {
    const call = {
      upstreamModel: 'glm-4-plus',
      thinking: null,
      ceiling: 9,
      stream: false,
      accountId: 'a',
      strict: false,
    };
    const request: ChatRequest = { model: 'public', messages: [{ role: 'user', content: 'Hi' }] };
    expect(encodeChat(DIALECTS.glm, request, call, 'it is not JSON').body.toString()).toContain(
      'it is not JSON',
    );
    expect(encodeChat(DIALECTS.glm, request, call).body.toString()).not.toContain('accepted');
  });
});
