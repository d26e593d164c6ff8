import { describe, expect, it } from '@jest/globals';
import { problemOf, type ChatAnswer } from '@tunan/llm';
import {
  callOf,
  contentFromCall,
  jsonContent,
  unlessStopped,
  type AnswerCheck,
  type Checked,
} from './answer-check.js';

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
const SCHEMA = { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] };
const checked =
  (check: AnswerCheck) =>
  async (given: ChatAnswer): Promise<Checked> =>
    check(given, (schema, text) => Promise.resolve(problemOf(JSON.stringify(schema), text)));

describe('jsonContent', () => {
  const check = checked(jsonContent(SCHEMA));

  it('accepts content that fits, unchanged', async () => {
    const given = answer({ content: ' {"a": 1}\n', reasoning: 'hm' });
    expect(await check(given)).toEqual({ answer: given });
  });

  it.each(['```json\n{"a": 1}\n```', '```\n{"a": 1}\n```\n'])(
    'takes JSON out of a code block: %j',
    async (content) => {
      expect(await check(answer({ content }))).toEqual({ answer: answer({ content: '{"a": 1}' }) });
    },
  );

  it.each([
    ['Sure: {"a": 1}', 'it is not JSON'],
    ['', 'it is not JSON'],
    ['{"a": "1"}', '/a: Instance type "string" is invalid. Expected "integer".'],
    ['{}', 'the value: Instance does not have required property "a".'],
  ])('rejects %j: %s', async (content, problem) => {
    expect(await check(answer({ content }))).toEqual({ problem });
  });

  it('asks for JSON only where there is no schema', async () => {
    expect(await checked(jsonContent(undefined))(answer({ content: '{}' }))).toHaveProperty('answer');
    expect(await checked(jsonContent(undefined))(answer({ content: 'no' }))).toHaveProperty('problem');
  });

  // Guarantee: an answer that was cut off, filtered or refused keeps its own reason.
  it.each([{ finishReason: 'length' }, { finishReason: 'content_filter' }, { refusal: 'No.' }] as const)(
    'does not judge %j',
    async (members) => {
      const given = answer({ content: '{"a":', ...members });
      expect(await check(given)).toEqual({ answer: given });
    },
  );

  it('does not judge calls of the client’s own tools', async () => {
    const given = answer(calling('f', 'not JSON'));
    expect(await check(given)).toEqual({ answer: given });
  });
});

describe('contentFromCall', () => {
  const check = checked(contentFromCall(SCHEMA));

  it('makes the arguments the content', async () => {
    expect(
      await check(answer({ ...calling('answer', '{"a":1}'), content: 'Here:', reasoning: 'hm' })),
    ).toEqual({
      answer: answer({ content: '{"a":1}', reasoning: 'hm' }),
    });
  });

  it('takes content for an answer where nothing was called', async () => {
    expect(await check(answer({ content: '{"a":1}' }))).toEqual({ answer: answer({ content: '{"a":1}' }) });
    expect(await check(answer({ content: 'no' }))).toEqual({ problem: 'it is not JSON' });
  });

  it('rejects arguments that do not fit', async () => {
    expect(await check(answer(calling('answer', '{"a":null}')))).toEqual({
      problem: '/a: Instance type "null" is invalid. Expected "integer".',
    });
  });

  it('shows what there is of one that was cut off', async () => {
    const given = answer({ ...calling('answer', '{"a"'), finishReason: 'length' });
    expect(await check(given)).toEqual({ answer: answer({ content: '{"a"', finishReason: 'length' }) });
  });
});

describe('callOf', () => {
  const check = checked(callOf(['f', 'g']));

  it('accepts a call of one of the functions', async () => {
    const given = answer(calling('g', '{}'));
    expect(await check(given)).toEqual({ answer: given });
  });

  it.each([{ content: 'I would call f.' }, calling('h', '{}')])('rejects %j', async (members) => {
    expect(await check(answer(members))).toEqual({ problem: 'no call of f or g' });
  });
});

describe('unlessStopped', () => {
  it.each([unlessStopped(jsonContent(SCHEMA)), unlessStopped(callOf(['weather']))])(
    'shows what a stop sequence may have ended as it is, and judges all else',
    async (check) => {
      const stopped = answer({ content: '{"a": ' });
      expect(await checked(check)(stopped)).toEqual({ answer: stopped });
      const ended = answer({ content: '{"a": ', finishReason: 'tool_calls' });
      expect(await checked(check)(ended)).toHaveProperty('problem');
    },
  );

  it('still brings an answer that is right into its form', async () => {
    const check = checked(unlessStopped(jsonContent(SCHEMA)));
    expect(await check(answer({ content: '```json\n{"a": 1}\n```' }))).toEqual({
      answer: answer({ content: '{"a": 1}' }),
    });
  });
});
