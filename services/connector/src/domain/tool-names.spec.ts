import { describe, expect, it } from '@jest/globals';
import type { ChatRequest, ProviderId } from '@tunan/contracts';
import { DIALECTS } from '../providers/index.js';
import { encodeChat } from './encode-chat.js';

const OTHER = { type: 'function', function: { name: 'g' } } as const;
const named = (name: string) => ({ type: 'function', function: { name } });

const encode = (provider: ProviderId, request: Partial<ChatRequest>) => {
  const given: ChatRequest = { model: 'public', messages: [{ role: 'user', content: 'Hi' }], ...request };
  const call = { thinking: false, ceiling: 500, stream: true, accountId: 'acc_1', strict: false };
  const encoded = encodeChat(DIALECTS[provider], given, { ...call, upstreamModel: 'any' });
  const sent = JSON.parse(encoded.body.toString()) as Record<string, unknown> & {
    readonly messages: readonly { readonly content: string }[];
  };
  return { ...encoded, sent };
};

describe('functions whose name the provider keeps for itself', () => {
  const SEARCH = {
    type: 'function',
    function: { name: 'search', parameters: { type: 'object' } },
  } as const;
  const STAND_IN = { type: 'function', function: { name: 'search_' } } as const;
  const namesIn = (tools: unknown) =>
    (tools as readonly { readonly function: { readonly name: string } }[]).map((tool) => tool.function.name);
  const history = [
    { role: 'user', content: 'Hi' },
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'c1', type: 'function', function: { name: 'search', arguments: '{}' } }],
    },
    { role: 'tool', tool_call_id: 'c1', content: 'nothing' },
  ] as ChatRequest['messages'];

  // Guarantee: a function has the name that its client gave it, whoever serves the request.
  it('have another there, wherever they stand', () => {
    const { sent, toolNames } = encode('qwen', {
      messages: history,
      tools: [SEARCH, OTHER],
      tool_choice: named('search'),
    });
    expect(namesIn(sent['tools'])).toEqual(['search_', 'g']);
    expect(sent['tool_choice']).toEqual(named('search_'));
    expect(namesIn((sent.messages[1] as unknown as { tool_calls: unknown }).tool_calls)).toEqual(['search_']);
    expect([toolNames.shown('search_'), toolNames.shown('g')]).toEqual(['search', 'g']);
  });

  it('have one that nobody else has', () => {
    const { sent, toolNames } = encode('qwen', { tools: [STAND_IN, SEARCH] });
    expect(namesIn(sent['tools'])).toEqual(['search_', 'search__']);
    expect([toolNames.shown('search_'), toolNames.shown('search__')]).toEqual(['search_', 'search']);
  });

  it('are judged by the client’s name, and told by the provider’s', async () => {
    const { sent, check } = encode('qwen', { tools: [SEARCH, OTHER], tool_choice: 'required' });
    expect(sent.messages.at(-1)?.content ?? '').not.toMatch(/search\b/);
    expect(JSON.stringify(sent.messages)).toContain('search_, g');
    const answer = {
      content: '',
      reasoning: '',
      refusal: '',
      logprobs: null,
      finishReason: 'tool_calls' as const,
      toolCalls: [{ id: 'c', name: 'search', arguments: '{}' }],
    };
    expect(await check?.(answer, () => Promise.resolve(undefined))).toEqual({ answer });
  });

  it('and of the time before tools', () => {
    const { sent } = encode('qwen', {
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: null, function_call: { name: 'search', arguments: '{}' } },
        { role: 'function', name: 'search', content: 'nothing' },
      ] as unknown as ChatRequest['messages'],
      functions: [{ name: 'search', parameters: {} }],
      function_call: { name: 'search' },
    });
    expect(namesIn(sent['tools'])).toEqual(['search_']);
    expect(sent['tool_choice']).toEqual(named('search_'));
    expect(JSON.stringify(sent.messages)).not.toContain('"search"');
  });

  it('keep it elsewhere, and where they have no such name', () => {
    expect(namesIn(encode('deepseek', { tools: [SEARCH] }).sent['tools'])).toEqual(['search']);
    const { sent, toolNames } = encode('qwen', { tools: [STAND_IN] });
    expect(namesIn(sent['tools'])).toEqual(['search_']);
    expect(toolNames.shown('search_')).toBe('search_');
  });
});
