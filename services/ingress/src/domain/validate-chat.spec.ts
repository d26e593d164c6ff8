import { describe, expect, it } from '@jest/globals';
import type { Fault } from '@tunan/kernel';
import { CHAT_PARAMETER_RULES } from './parameter-rules.js';
import { parseJsonObject } from './json-object.js';
import { validateChat } from './validate-chat.js';

const textModel = { model: 'deepseek-chat', vision: false };
const minimal = { model: 'deepseek-chat', messages: [{ role: 'user', content: 'Hi' }] };

const faultOf = (run: () => unknown): Fault => {
  try {
    run();
  } catch (error) {
    return error as Fault;
  }
  throw new Error('nothing was refused');
};

const call = { id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } };
const user = minimal.messages[0]!;
const image = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } };

/** What is wrong, the conversation, and the member that is named. */
const messageCases = (
  [
    [
      'an image on a text model',
      [{ role: 'user', content: [image] }],
      'messages[0].content[0]',
      'unsupported_parameter',
    ],
    ['an image in a system message', [{ role: 'system', content: [image] }], 'messages[0].content[0].type'],
    ['a long name', [{ ...user, name: 'x'.repeat(65) }], 'messages[0].name'],
    ['a call without a result', [user, { role: 'assistant', tool_calls: [call] }], 'messages[1].tool_calls'],
    [
      'a call whose result comes too late',
      [
        user,
        { role: 'assistant', tool_calls: [call] },
        user,
        { role: 'tool', tool_call_id: 'c1', content: '' },
      ],
      'messages[1].tool_calls',
    ],
    ['tool calls that are none', [{ role: 'assistant', tool_calls: [] }], 'messages[0].tool_calls'],
    [
      'a call without an id',
      [{ role: 'assistant', tool_calls: [{ ...call, id: '' }] }],
      'messages[0].tool_calls[0]',
    ],
    [
      'arguments that are no text',
      [{ role: 'assistant', tool_calls: [{ ...call, function: { name: 'f', arguments: {} } }] }],
      'messages[0].tool_calls[0].function',
    ],
    ['a function result after no call', [user, { role: 'function', name: 'f', content: '' }], 'messages[1]'],
    [
      'a function result without a name',
      [
        { role: 'assistant', function_call: call.function },
        { role: 'function', content: '' },
      ],
      'messages[1].name',
    ],
    [
      'a legacy call without arguments',
      [{ role: 'assistant', function_call: { name: 'f' } }],
      'messages[0].function_call',
    ],
    [
      'thinking that is no text',
      [{ role: 'assistant', content: '', reasoning_content: 5 }],
      'messages[0].reasoning_content',
    ],
    ['a refusal that is none', [{ role: 'assistant', content: null, refusal: 5 }], 'messages[0].refusal'],
    ['a NUL in a refusal', [{ role: 'assistant', refusal: 'a\u0000' }], 'messages[0].refusal'],
  ] as const
).map(
  ([what, messages, param, code = 'invalid_value']) => [what, { ...minimal, messages }, code, param] as const,
);

describe('validateChat', () => {
  it('takes a minimal request and leaves it as it is, unknown members included', () => {
    const body = { ...minimal, top_k: 5, temperature: null };
    expect(validateChat(body, textModel)).toBe(body);
  });

  const numeric = Object.entries(CHAT_PARAMETER_RULES).flatMap(([name, rule]) =>
    rule.type === 'number' || rule.type === 'integer' ? [[name, rule] as const] : [],
  );

  it.each(numeric)(
    'takes %s at both ends of its range and nothing beyond, of another type, or in text',
    (name, rule) => {
      const step = rule.type === 'integer' ? 1 : 0.01;
      for (const value of [rule.min, rule.max])
        expect(validateChat({ ...minimal, logprobs: true, [name]: value }, textModel)).toBeDefined();
      for (const value of [
        rule.min - step,
        rule.max + step,
        String(rule.min),
        Infinity,
        NaN,
        [rule.min],
        true,
      ])
        expect(
          faultOf(() => validateChat({ ...minimal, logprobs: true, [name]: value }, textModel)),
        ).toMatchObject({
          code: 'invalid_value',
          param: name,
        });
    },
  );

  it.each([
    ['messages', { model: 'm' }, 'missing_required_parameter', 'messages'],
    ['messages', { ...minimal, messages: [] }, 'invalid_value', 'messages'],
    ['messages', { ...minimal, messages: 'hi' }, 'invalid_value', 'messages'],
    [
      'too many messages',
      { ...minimal, messages: Array(2_049).fill(minimal.messages[0]) },
      'invalid_value',
      'messages',
    ],
    [
      'an unknown role',
      { ...minimal, messages: [{ role: 'robot', content: 'x' }] },
      'invalid_value',
      'messages[0].role',
    ],
    [
      'no content',
      { ...minimal, messages: [{ role: 'user', content: null }] },
      'invalid_value',
      'messages[0].content',
    ],
    [
      'empty parts',
      { ...minimal, messages: [{ role: 'user', content: [] }] },
      'invalid_value',
      'messages[0].content',
    ],
    [
      'an unknown part',
      { ...minimal, messages: [{ role: 'user', content: [{ type: 'x' }] }] },
      'invalid_value',
      'messages[0].content[0].type',
    ],
    [
      'a NUL',
      { ...minimal, messages: [{ role: 'user', content: 'a\u0000b' }] },
      'invalid_value',
      'messages[0].content',
    ],
    [
      'an orphan tool result',
      { ...minimal, messages: [{ role: 'tool', content: 'x', tool_call_id: 'c1' }] },
      'invalid_value',
      'messages[0].tool_call_id',
    ],
    ...messageCases,
    ['stream as a number', { ...minimal, stream: 1 }, 'invalid_value', 'stream'],
    [
      'stream_options without stream',
      { ...minimal, stream_options: { include_usage: true } },
      'invalid_value',
      'stream_options',
    ],
    ['five stops', { ...minimal, stop: ['a', 'b', 'c', 'd', 'e'] }, 'invalid_value', 'stop'],
    ['an empty stop', { ...minimal, stop: '' }, 'invalid_value', 'stop'],
    [
      'an unknown response format',
      { ...minimal, response_format: { type: 'xml' } },
      'invalid_value',
      'response_format',
    ],
    [
      'a schema without a name',
      { ...minimal, response_format: { type: 'json_schema', json_schema: { schema: {} } } },
      'missing_required_parameter',
      'response_format.json_schema.name',
    ],
    [
      'a schema whose name has a blank',
      { ...minimal, response_format: { type: 'json_schema', json_schema: { name: 'a b', schema: {} } } },
      'invalid_value',
      'response_format.json_schema.name',
    ],
    ['top_logprobs without logprobs', { ...minimal, top_logprobs: 2 }, 'invalid_value', 'top_logprobs'],
    [
      'a required call without tools',
      { ...minimal, tool_choice: 'required' },
      'invalid_value',
      'tool_choice',
    ],
    [
      'a required call of no tools',
      { ...minimal, tools: [], tool_choice: 'required' },
      'invalid_value',
      'tool_choice',
    ],
    [
      'a named call without tools',
      { ...minimal, tool_choice: { type: 'function', function: { name: 'f' } } },
      'invalid_value',
      'tool_choice',
    ],
    [
      'two tools of one name',
      { ...minimal, tools: [1, 2].map(() => ({ type: 'function', function: { name: 'f' } })) },
      'invalid_value',
      'tools[1].function.name',
    ],
    [
      'a tool name with a blank',
      { ...minimal, tools: [{ type: 'function', function: { name: 'a b' } }] },
      'invalid_value',
      'tools[0].function.name',
    ],
    ['functions that are none', { ...minimal, functions: {} }, 'invalid_value', 'functions'],
    ['a function without a name', { ...minimal, functions: [{}] }, 'invalid_value', 'functions[0].name'],
    ['an unknown function_call', { ...minimal, function_call: 'any' }, 'invalid_value', 'function_call'],
  ])('refuses %s', (_, body, code, param) => {
    expect(faultOf(() => validateChat(body as Record<string, unknown>, textModel))).toMatchObject({
      code,
      param,
    });
  });

  it('takes an assistant without content if it calls tools, and the results of those calls', () => {
    const call = { id: 'c1', type: 'function', function: { name: 'f', arguments: 'not json' } };
    const messages = [
      ...minimal.messages,
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'c1', content: 'ok' },
      { role: 'system', content: 'a system message may stand anywhere' },
    ];
    expect(validateChat({ ...minimal, messages }, textModel)).toBeDefined();
  });

  it('takes functions, function_call and the role function, which came before tools', () => {
    const messages = [
      ...minimal.messages,
      { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{}' } },
      { role: 'function', name: 'f', content: '21 degrees' },
    ];
    const functions = [{ name: 'f', parameters: { type: 'object' } }];
    for (const choice of ['auto', 'none', { name: 'f' }])
      expect(
        validateChat({ ...minimal, messages, functions, function_call: choice }, textModel),
      ).toBeDefined();
  });
});

describe('parseJsonObject', () => {
  const nested = (levels: number): string => '{"a":'.repeat(levels) + '1' + '}'.repeat(levels);

  it.each([
    ['nothing', ''],
    ['half of it', '{"model":'],
    ['an array', '[]'],
    ['null', 'null'],
    ['text', '"x"'],
    ['NaN', '{"a":NaN}'],
    ['a comment', '{/**/}'],
    ['65 levels', nested(65)],
    ['100,000 levels', nested(100_000)],
  ])('refuses %s', (_, text) => {
    expect(faultOf(() => parseJsonObject(Buffer.from(text))).code).toBe('invalid_json');
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(faultOf(() => parseJsonObject(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]))).code).toBe(
      'invalid_json',
    );
  });

  it('takes a byte order mark and 64 levels', () => {
    expect(parseJsonObject(Buffer.from('\ufeff{"a":1}'))).toEqual({ a: 1 });
    expect(parseJsonObject(Buffer.from(nested(64)))).toBeDefined();
  });
});
