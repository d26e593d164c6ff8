import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { planAnswers } from './answer.js';
import type { Ask } from './ask.js';
import { readBehaviour, type RawBehaviour } from './behaviour.js';
import { conversationSeed, type WireMessage } from './message.js';
import { steps } from './steps.js';
import { splitTokens } from './tokens.js';

const ask = (changes: Partial<Ask> = {}): Ask => ({
  model: 'm',
  stream: false,
  includeUsage: false,
  thinking: false,
  reasoningMax: 1_000,
  outputMax: 1_000,
  answerMax: 1_000,
  stop: [],
  tools: [],
  toolChoice: 'auto',
  parallelToolCalls: true,
  json: undefined,
  n: 1,
  promptTokens: 10,
  thinkingInContent: false,
  ...changes,
});

const WEATHER = {
  name: 'get_weather',
  parameters: {
    properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 1, maximum: 3 } },
    required: ['city', 'days'],
  },
};
const CLOCK = { name: 'get_time', parameters: { properties: { zone: { enum: ['UTC', 'CET'] } } } };

const user = (content: string): WireMessage => ({ role: 'user', content });

const plan = (
  changes: Partial<Ask>,
  raw: RawBehaviour = {},
  messages: readonly WireMessage[] = [user('Hello')],
) => {
  const { answers, tokens } = planAnswers(
    ask(changes),
    messages,
    readBehaviour(raw),
    conversationSeed('m', messages),
  );
  const [answer] = answers;
  return { answers, tokens, answer: answer!, text: answer!.content.join('') };
};

describe('planAnswers', () => {
  it('gives the same conversation the same answer and another conversation another', () => {
    expect(plan({}).text).toBe(plan({}).text);
    expect(plan({}).text).not.toBe(plan({}, {}, [user('Hello!')]).text);
    expect(plan({}, { seed: 7 }).text).toBe(plan({}, { seed: 7 }, [user('Other')]).text);
  });

  it('writes as many tokens as asked, and counts thinking inside the completion', () => {
    const { answer, tokens } = plan({ thinking: true }, { tokens: 40, reasoning_tokens: 12 });
    expect([answer.content.length, answer.reasoning.length]).toEqual([40, 12]);
    expect(tokens).toEqual({ prompt: 10, cached: 0, completion: 52, reasoning: 12 });
  });

  it('answers Chinese in Chinese', () => {
    expect(plan({}, {}, [user('你好')]).text).toMatch(/^[一-鿿]/);
  });

  it('never writes more than the ceiling and then says length', () => {
    fc.assert(
      fc.property(
        fc.nat(60),
        fc.nat(60),
        fc.integer({ min: 1, max: 80 }),
        (content, reasoning, outputMax) => {
          const { answer, tokens } = plan(
            { thinking: true, outputMax },
            { tokens: content, reasoning_tokens: reasoning },
          );
          expect(tokens.completion).toBe(Math.min(outputMax, content + reasoning));
          expect(answer.finish).toBe(content + reasoning > outputMax ? 'length' : 'stop');
        },
      ),
    );
  });

  it('bounds the answer apart from the thinking where a dialect does', () => {
    const { tokens } = plan(
      { thinking: true, answerMax: 5, reasoningMax: 7 },
      { tokens: 50, reasoning_tokens: 50 },
    );
    expect(tokens).toMatchObject({ completion: 12, reasoning: 7 });
  });

  it('ignores the ceiling when told to', () => {
    expect(plan({ outputMax: 5 }, { tokens: 50, ignore_ceiling: true })).toMatchObject({
      tokens: { completion: 50 },
      answer: { finish: 'stop' },
    });
  });

  it('stops before the first stop sequence', () => {
    const { text, answer } = plan({ stop: ['zzz', ' big'] }, { say: 'a very big tuna' });
    expect([text, answer.finish]).toEqual(['a very', 'stop']);
  });

  it('echoes a text exactly', () => {
    const said = 'Ünïcode 🙂 天气 {"a": [1,2]}\n';
    expect(plan({}, { say: said }).text).toBe(said);
  });

  it('gives several completions of one call different texts', () => {
    const { answers } = plan({ n: 3 });
    expect(new Set(answers.map(({ content }) => content.join(''))).size).toBe(3);
  });

  it('writes a JSON object, of the schema if there is one', () => {
    expect(JSON.parse(plan({ json: { schema: undefined } }).text)).toEqual({ answer: expect.any(String) });
    const schema = {
      type: 'object',
      properties: { ok: { type: 'boolean' }, at: { format: 'date' } },
      required: ['ok'],
    };
    expect(JSON.parse(plan({ json: { schema } }).text)).toEqual({
      ok: expect.any(Boolean),
      at: '2026-01-02',
    });
  });

  it('follows a system message that asks for JSON', () => {
    const asks = { role: 'system', content: 'Answer with one JSON object and nothing else.' };
    expect(JSON.parse(plan({}, {}, [asks, user('Hi')]).text)).toEqual({
      answer: expect.any(String),
    });
    expect(plan({}, {}, [user('Answer with JSON.')]).text).not.toContain('{');
  });

  it('follows a schema that a system message states', () => {
    const stated = {
      role: 'system',
      content: 'Answer with JSON of this schema: {"type":"object","properties":{"n":{"const":3}}}',
    };
    expect(JSON.parse(plan({}, {}, [stated, user('Hi')]).text)).toEqual({ n: 3 });
  });

  // As providers do: JSON mode has no lists and no bare values, whatever the prompt states.
  it('writes an object in JSON mode, also where a stated schema is none', () => {
    const stated = {
      role: 'system',
      content: 'Answer with JSON of this schema: {"type":"array","minItems":1}',
    };
    const messages = [stated, user('Hi')];
    expect(JSON.parse(plan({}, {}, messages).text)).toEqual([expect.any(String)]);
    expect(JSON.parse(plan({ json: { schema: undefined } }, {}, messages).text)).toEqual({
      answer: [expect.any(String)],
    });
  });

  it('reports a long prompt as partly cached, in blocks', () => {
    expect(plan({ promptTokens: 2_001 }).tokens.cached).toBe(960);
    expect(plan({ promptTokens: 2_001 }, { cached_tokens: 5_000 }).tokens.cached).toBe(2_001);
  });
});

describe('tool calls', () => {
  const tools = [CLOCK, WEATHER];

  it('calls no tool unless the conversation suggests one', () => {
    expect(plan({ tools }).answer).toMatchObject({ toolCalls: [], finish: 'stop' });
  });

  it('calls the fitting tool with arguments of its schema', () => {
    const { answer } = plan({ tools }, {}, [user('How is the weather?')]);
    expect(answer).toMatchObject({ content: [], finish: 'tool_calls', toolCalls: [{ name: 'get_weather' }] });
    const args = JSON.parse(answer.toolCalls[0]!.fragments.join('')) as { city: string; days: number };
    expect(args.city).not.toBe('');
    expect([1, 2, 3]).toContain(args.days);
  });

  it('calls a forced tool, and one that a system message says must be called', () => {
    expect(plan({ tools, toolChoice: { name: 'get_time' } }).answer.toolCalls[0]!.name).toBe('get_time');
    expect(plan({ tools, toolChoice: 'required' }).answer.toolCalls[0]!.name).toBe('get_time');
    const insists = { role: 'system', content: 'You must call get_time.' };
    expect(plan({ tools }, {}, [insists, user('Hi')]).answer.toolCalls[0]!.name).toBe('get_time');
  });

  it('answers in words after a result, and when tools are forbidden', () => {
    const result = { role: 'tool', content: 'sunny', tool_call_id: 'x' };
    expect(plan({ tools }, {}, [user('weather?'), result]).answer.toolCalls).toEqual([]);
    expect(plan({ tools, toolChoice: 'none' }, {}, [user('weather?')]).answer.toolCalls).toEqual([]);
  });

  it('says a text beside its calls if told to, and makes none after a stop sequence', () => {
    const behaviour = { tool: 'get_weather', say: 'Let me look. STOP' };
    const beside = plan({ tools }, behaviour);
    expect([beside.text, beside.answer.finish]).toEqual(['Let me look. STOP', 'tool_calls']);
    expect(beside.answer.toolCalls).toHaveLength(1);
    const stopped = plan({ tools, stop: [' STOP'] }, behaviour);
    expect([stopped.text, stopped.answer.finish]).toEqual(['Let me look.', 'stop']);
    expect(stopped.answer.toolCalls).toEqual([]);
  });

  it('makes several calls with the arguments asked for', () => {
    const { answer } = plan({ tools }, { tool: 'get_weather', tool_calls: 3, tool_arguments: '{"a":1}' });
    expect(answer.toolCalls.map(({ name }) => name)).toEqual(['get_weather', 'get_time', 'get_weather']);
    expect(answer.toolCalls.map(({ fragments }) => fragments.join(''))).toEqual(Array(3).fill('{"a":1}'));
  });

  it('cuts arguments at the ceiling', () => {
    const { answer, tokens } = plan(
      { tools, outputMax: 8 },
      { tool: 'get_weather', tool_arguments: 'x '.repeat(40) },
    );
    expect(answer.finish).toBe('length');
    expect(tokens.completion).toBe(8);
  });
});

describe('steps', () => {
  it('delivers every token of every completion exactly once, however it is cut', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.nat(30),
        fc.nat(30),
        fc.boolean(),
        (chunkTokens, tokens, reasoning, whole) => {
          const planned = plan(
            { n: 2, thinking: true, tools: [WEATHER] },
            { tokens, reasoning_tokens: reasoning, ...(whole && { tool: 'get_weather' }) },
          );
          const made = [...steps(planned.answers, { chunkTokens, wholeToolCalls: whole, stamp: undefined })];
          expect(made.reduce((sum, step) => sum + step.tokens, 0)).toBe(planned.tokens.completion);
          const said = made
            .filter((step) => step.choice === 1 && step.kind === 'content')
            .map((step) => step.text);
          expect(said.join('')).toBe(planned.answers[1]!.content.join(''));
          expect(splitTokens(said.join(''))).toHaveLength(planned.answers[1]!.content.length);
        },
      ),
    );
  });
});
