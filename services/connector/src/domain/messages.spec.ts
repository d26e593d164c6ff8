import { describe, expect, it } from '@jest/globals';
import type { ChatMessage } from '@tunan/contracts';
import type { Dialect } from './dialect.js';
import { sentMessages } from './messages.js';

const PLAIN: Dialect['messages'] = { systemFirst: false, userRequired: false, reasoning: 'drop' };
const send = (
  messages: readonly ChatMessage[],
  rules: Partial<Dialect['messages']> = {},
  thinking: boolean | null = false,
) => sentMessages(messages, { ...PLAIN, ...rules }, thinking, []);
const call = { id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } } as const;

describe('sentMessages', () => {
  it('sends only members that every provider knows', () => {
    const given = {
      role: 'assistant',
      content: 'a',
      refusal: null,
      annotations: [],
      audio: null,
    } as unknown as ChatMessage;
    expect(send([given])).toEqual([{ role: 'assistant', content: 'a' }]);
  });

  it('turns developer messages into system messages', () => {
    expect(send([{ role: 'developer', content: 'a' }])).toEqual([{ role: 'system', content: 'a' }]);
  });

  it('joins text parts and keeps lists that have an image', () => {
    const image = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } } as const;
    const text = [
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
    ] as const;
    expect(send([{ role: 'user', content: text }])).toEqual([{ role: 'user', content: 'a\nb' }]);
    expect(send([{ role: 'user', content: [...text, image] }])).toEqual([
      { role: 'user', content: [...text, image] },
    ]);
  });

  it('sends a refusal in a history as what the assistant said', () => {
    const content = [
      { type: 'text', text: 'a' },
      { type: 'refusal', refusal: 'no' },
    ] as const;
    expect(send([{ role: 'assistant', content }])).toEqual([{ role: 'assistant', content: 'a\nno' }]);
    // As answers have it.
    expect(send([{ role: 'assistant', content: null, refusal: 'no' }])).toEqual([
      { role: 'assistant', content: 'no' },
    ]);
  });

  it('sends an empty text where there is none', () => {
    expect(send([{ role: 'assistant', content: null, tool_calls: [call] }])).toEqual([
      { role: 'assistant', content: '', tool_calls: [call] },
    ]);
  });

  it('translates function calls of the time before tools, and joins call and answer by an id', () => {
    const asked = {
      role: 'assistant',
      content: null,
      function_call: { name: 'f', arguments: '{"a":1}' },
    } as unknown as ChatMessage;
    expect(
      send([{ role: 'user', content: 'x' }, asked, { role: 'function', name: 'f', content: '7' }]),
    ).toEqual([
      { role: 'user', content: 'x' },
      {
        role: 'assistant',
        content: '',
        tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
      },
      { role: 'tool', content: '7', tool_call_id: 'call_1' },
    ]);
  });

  describe('thinking of earlier answers', () => {
    const plain: ChatMessage = { role: 'assistant', content: 'a', reasoning_content: 'hm' };
    const called: ChatMessage = { role: 'assistant', content: 'a', tool_calls: [call] };
    const reasoning = (
      message: ChatMessage,
      rule: Dialect['messages']['reasoning'],
      thinking: boolean | null,
    ) => send([message], { reasoning: rule }, thinking)[0]?.reasoning_content;

    it.each([
      [plain, 'drop', true, undefined],
      [plain, 'keep', true, 'hm'],
      [plain, 'keep', null, 'hm'],
      [plain, 'keep', false, undefined],
      [plain, 'with-tool-calls', true, undefined],
      [{ ...called, reasoning_content: 'hm' }, 'with-tool-calls', true, 'hm'],
      // A client dropped it: the provider refuses the turn without it.
      [called, 'with-tool-calls', true, ' '],
      [{ ...called, reasoning_content: '' }, 'with-tool-calls', true, ' '],
      [called, 'with-tool-calls', false, undefined],
    ] as const)('%j under rule %s, thinking %s: %j', (message, rule, thinking, expected) => {
      expect(reasoning(message, rule, thinking)).toBe(expected);
    });
  });

  // MiniMax documents that the message comes back as it was, with both forms of its thinking.
  it.each([
    ['keep', 'hm', [{ type: 'reasoning.text', text: 'hm' }]],
    ['keep', '', undefined],
    ['with-tool-calls', 'hm', undefined],
    ['drop', 'hm', undefined],
  ] as const)('under rule %s thinking %j is also sent in details: %j', (reasoning, thought, details) => {
    const message: ChatMessage = { role: 'assistant', content: 'a', reasoning_content: thought };
    const [sent] = send([message], { reasoning }, true);
    if (details === undefined) expect(sent).not.toHaveProperty('reasoning_details');
    else expect(sent!.reasoning_details).toMatchObject(details);
  });

  it('merges system messages at the beginning where a provider wants one', () => {
    const messages: readonly ChatMessage[] = [
      { role: 'user', content: 'a' },
      { role: 'system', content: 'one' },
      { role: 'assistant', content: 'b' },
      { role: 'developer', content: 'two' },
    ];
    expect(send(messages, { systemFirst: true })).toEqual([
      { role: 'system', content: 'one\n\ntwo' },
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b' },
    ]);
    expect(send(messages).map(({ role }) => role)).toEqual(['user', 'system', 'assistant', 'system']);
  });

  it('makes the last instruction the question where a provider wants one', () => {
    expect(send([{ role: 'system', content: 'a' }], { systemFirst: true, userRequired: true })).toEqual([
      { role: 'user', content: 'a' },
    ]);
    expect(send([{ role: 'assistant', content: 'a' }], { userRequired: true }).at(-1)?.role).toBe('user');
  });

  it('adds instructions as a system message', () => {
    expect(sentMessages([{ role: 'user', content: 'a' }], PLAIN, false, ['x', 'y'])).toEqual([
      { role: 'user', content: 'a' },
      { role: 'system', content: 'x\n\ny' },
    ]);
  });
});
