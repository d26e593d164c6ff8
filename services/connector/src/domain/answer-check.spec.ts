import { describe, expect, it } from '@jest/globals';
import { compileSchema, type ChatAnswer } from '@tunan/llm';
import { callOf, contentFromCall, jsonContent } from './answer-check.js';

const answer = (over: Partial<ChatAnswer>): ChatAnswer => ({
  content: '',
  reasoning: '',
  refusal: '',
  toolCalls: [],
  logprobs: null,
  finishReason: 'stop',
  ...over,
});
const calling = (name: string, text: string): Partial<ChatAnswer> => ({
  toolCalls: [{ id: 'c1', name, arguments: text }],
  finishReason: 'tool_calls',
});
const SCHEMA = compileSchema({ type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] });

describe('jsonContent', () => {
  const check = jsonContent(SCHEMA);

  it('accepts content that fits, unchanged', () => {
    const given = answer({ content: ' {"a": 1}\n', reasoning: 'hm' });
    expect(check(given)).toEqual({ answer: given });
  });

  it.each(['```json\n{"a": 1}\n```', '```\n{"a": 1}\n```\n'])(
    'takes JSON out of a code block: %j',
    (content) => {
      expect(check(answer({ content }))).toEqual({ answer: answer({ content: '{"a": 1}' }) });
    },
  );

  it.each([
    ['Sure: {"a": 1}', 'it is not JSON'],
    ['', 'it is not JSON'],
    ['{"a": "1"}', '/a must be integer'],
    ['{}', "the value must have required property 'a'"],
  ])('rejects %j: %s', (content, problem) => {
    expect(check(answer({ content }))).toEqual({ problem });
  });

  it('asks for JSON only where there is no schema', () => {
    expect(jsonContent(undefined)(answer({ content: '{}' }))).toHaveProperty('answer');
    expect(jsonContent(undefined)(answer({ content: 'no' }))).toHaveProperty('problem');
  });

  // Guarantee: an answer that was cut off, filtered or refused keeps its own reason.
  it.each([{ finishReason: 'length' }, { finishReason: 'content_filter' }, { refusal: 'No.' }] as const)(
    'does not judge %j',
    (members) => {
      const given = answer({ content: '{"a":', ...members });
      expect(check(given)).toEqual({ answer: given });
    },
  );

  it('does not judge calls of the client’s own tools', () => {
    const given = answer(calling('f', 'not JSON'));
    expect(check(given)).toEqual({ answer: given });
  });
});

describe('contentFromCall', () => {
  const check = contentFromCall(SCHEMA);

  it('makes the arguments the content', () => {
    expect(check(answer({ ...calling('answer', '{"a":1}'), content: 'Here:', reasoning: 'hm' }))).toEqual({
      answer: answer({ content: '{"a":1}', reasoning: 'hm' }),
    });
  });

  it('takes content for an answer where nothing was called', () => {
    expect(check(answer({ content: '{"a":1}' }))).toEqual({ answer: answer({ content: '{"a":1}' }) });
    expect(check(answer({ content: 'no' }))).toEqual({ problem: 'it is not JSON' });
  });

  it('rejects arguments that do not fit', () => {
    expect(check(answer(calling('answer', '{"a":null}')))).toEqual({ problem: '/a must be integer' });
  });

  it('shows what there is of one that was cut off', () => {
    const given = answer({ ...calling('answer', '{"a"'), finishReason: 'length' });
    expect(check(given)).toEqual({ answer: answer({ content: '{"a"', finishReason: 'length' }) });
  });
});

describe('callOf', () => {
  const check = callOf(['f', 'g']);

  it('accepts a call of one of the functions', () => {
    const given = answer(calling('g', '{}'));
    expect(check(given)).toEqual({ answer: given });
  });

  it.each([{ content: 'I would call f.' }, calling('h', '{}')])('rejects %j', (members) => {
    expect(check(answer(members))).toEqual({ problem: 'no call of f or g' });
  });
});
