import { describe, expect, it } from '@jest/globals';
import { encodeAnswer, encodeVectors, endEmbeddings } from './answer-encoder.js';
import type { ChatAnswer } from './chat.js';

const IDENTITY = { id: 'chatcmpl-1', created: 1_700_000_000, model: 'deepseek-chat' };
const USAGE = { prompt: 10, cachedPrompt: 4, completion: 5, reasoning: 2 };
const answers = (over: Partial<ChatAnswer> = {}): ChatAnswer => ({
  content: '',
  reasoning: '',
  refusal: '',
  toolCalls: [],
  logprobs: null,
  finishReason: 'stop',
  ...over,
});

describe('encodeAnswer', () => {
  it('writes an OpenAI answer with usage last', () => {
    const text = encodeAnswer(IDENTITY, [answers({ content: 'Hi "usage":{}}' })], USAGE).toString();
    expect(text).toMatch(/,"usage":\{"prompt_tokens":10,[^]*\}\}$/);
    expect(JSON.parse(text)).toEqual({
      ...IDENTITY,
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hi "usage":{}}', refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: {
        prompt_tokens: 10,
        completion_tokens: 5,
        total_tokens: 15,
        prompt_tokens_details: { cached_tokens: 4 },
        completion_tokens_details: { reasoning_tokens: 2 },
      },
    });
  });

  it('writes null content beside tool calls, and an empty text without them', () => {
    const toolCalls = [{ id: 'c', name: 'f', arguments: '{}' }];
    const [called, silent] = (
      JSON.parse(encodeAnswer(IDENTITY, [answers({ toolCalls }), answers()], USAGE).toString()) as {
        choices: { message: unknown }[];
      }
    ).choices;
    expect(called?.message).toEqual({
      role: 'assistant',
      content: null,
      refusal: null,
      tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
    });
    expect(silent?.message).toEqual({ role: 'assistant', content: '', refusal: null });
  });
});

describe('encodeAnswer to a client that offered functions', () => {
  const identity = { ...IDENTITY, functionCall: true };
  const choiceOf = (answer: ChatAnswer) =>
    (JSON.parse(encodeAnswer(identity, [answer], USAGE).toString()) as { choices: unknown[] }).choices[0];

  it('tells the first call as function_call', () => {
    const toolCalls = ['f', 'g'].map((name) => ({ id: name, name, arguments: '{"a":1}' }));
    expect(choiceOf(answers({ toolCalls, finishReason: 'tool_calls' }))).toEqual({
      index: 0,
      message: {
        role: 'assistant',
        content: null,
        refusal: null,
        function_call: { name: 'f', arguments: '{"a":1}' },
      },
      logprobs: null,
      finish_reason: 'function_call',
    });
  });

  it('tells a text as always', () => {
    expect(choiceOf(answers({ content: 'Hi' }))).toEqual({
      index: 0,
      message: { role: 'assistant', content: 'Hi', refusal: null },
      logprobs: null,
      finish_reason: 'stop',
    });
  });
});

describe('an embeddings answer', () => {
  it('is its pieces and its end', () => {
    const text = Buffer.concat([
      encodeVectors([[0.5, -1], [2]], 'float', 0),
      encodeVectors([[3]], 'float', 2),
      endEmbeddings('embedding-3', 3),
    ]).toString();
    expect(text).toMatch(/,"usage":\{"prompt_tokens":3,"total_tokens":3\}\}$/);
    expect(JSON.parse(text)).toEqual({
      object: 'list',
      data: [[0.5, -1], [2], [3]].map((embedding, index) => ({ object: 'embedding', index, embedding })),
      model: 'embedding-3',
      usage: { prompt_tokens: 3, total_tokens: 3 },
    });
  });

  it('has base64 that the official SDKs decode as float32', () => {
    const pieces = [encodeVectors([[0.5, -1, 1e-3]], 'base64', 0), endEmbeddings('m', 3)];
    const { data } = JSON.parse(Buffer.concat(pieces).toString()) as { data: { embedding: string }[] };
    const bytes = Buffer.from(data[0]!.embedding, 'base64');
    expect([0, 4, 8].map((at) => bytes.readFloatLE(at))).toEqual([0.5, -1, Math.fround(1e-3)]);
  });
});
