import { beforeAll, describe, expect, it } from '@jest/globals';
import { newCustomer, type Customer } from '../contract/customer.js';
import type { Platform } from '../e2e/topology.js';
import { chat } from './front-door.js';
import { endedCalls, newNonce, script, upstreamCalls } from './upstream-calls.js';

const FUNCTIONS = ['get_weather', 'get_tide'].map((name) => ({
  name,
  description: name,
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}));
const MODELS = [
  'deepseek-chat',
  'deepseek-reasoner',
  'qwen3.7-plus',
  'glm-4-plus',
  'minimax-m3',
  'minimax-m2.7',
];

/** `functions`, `function_call` and the role `function`: a client that speaks the form of the time before tools hears it. */
export const describeFunctions = (platform: () => Platform): void => {
  let customer: Customer;
  beforeAll(async () => {
    customer = await newCustomer(platform());
  });
  const use = (nonce: string) => ({
    role: 'user' as const,
    content: `[[sim nonce=${nonce} tool=get_tide tool_calls=2 chunk_tokens=1]] Use a tool.`,
  });

  describe.each(MODELS)('functions of %s', (model) => {
    it('are answered with function_call', async () => {
      const nonce = newNonce();
      const answer = await customer
        .client()
        .chat.completions.create({ model, messages: [use(nonce)], functions: FUNCTIONS });
      const [choice] = answer.choices;
      expect([choice!.finish_reason, choice!.message.content]).toEqual(['function_call', null]);
      expect(choice!.message).not.toHaveProperty('tool_calls');
      expect(choice!.message.function_call!.name).toBe('get_tide');
      expect(JSON.parse(choice!.message.function_call!.arguments)).toHaveProperty('city');
      const [call] = await endedCalls(platform(), nonce, 1);
      expect(call!.parameters).not.toHaveProperty('functions');
      expect(call!.parameters['tools']).toMatchObject(
        FUNCTIONS.map(({ name }) => ({ type: 'function', function: { name } })),
      );
    });

    it('are answered with function_call in pieces, which the official SDK puts together', async () => {
      const nonce = newNonce();
      const stream = await customer
        .client()
        .chat.completions.create({ model, messages: [use(nonce)], functions: FUNCTIONS, stream: true });
      const names: unknown[] = [];
      const reasons: unknown[] = [];
      let text = '';
      for await (const { choices } of stream) {
        for (const { delta, finish_reason: reason } of choices) {
          expect(delta).not.toHaveProperty('tool_calls');
          if (delta.function_call?.name !== undefined) names.push(delta.function_call.name);
          text += delta.function_call?.arguments ?? '';
          if (reason !== null) reasons.push(reason);
        }
      }
      expect([names, reasons]).toEqual([['get_tide'], ['function_call']]);
      expect(JSON.parse(text)).toHaveProperty('city');
    });

    it.each([false, true])('can be forced and forbidden, streamed %s', async (stream) => {
      for (const [choice, called] of [
        [{ name: 'get_tide' }, true],
        ['none', false],
      ] as const) {
        const answer = await chat(platform(), customer.apiKey, {
          model,
          stream,
          messages: [{ role: 'user', content: 'What is the tide in Rome?' }],
          functions: FUNCTIONS,
          function_call: choice,
        });
        expect([answer.status, answer.body?.error]).toEqual([200, undefined]);
        const reason = called ? 'function_call' : 'stop';
        expect(answer.text.includes('"function_call":{"name":"get_tide"')).toBe(called);
        expect(answer.text).toContain(`"finish_reason":"${reason}"`);
        expect(answer.text).not.toContain('tool_calls');
      }
    });

    it('are part of a history', async () => {
      const nonce = newNonce();
      const answer = await customer.client().chat.completions.create({
        model,
        messages: [
          { role: 'user', content: 'What is the tide in Rome?' },
          {
            role: 'assistant',
            content: null,
            function_call: { name: 'get_tide', arguments: '{"city":"Rome"}' },
          },
          { role: 'function', name: 'get_tide', content: 'low' },
          { role: 'user', content: `[[sim nonce=${nonce}]] Say it in a sentence.` },
        ],
        functions: FUNCTIONS,
      });
      expect(answer.choices[0]!.finish_reason).toBe('stop');
      const [call] = await endedCalls(platform(), nonce, 1);
      expect(call!.conversation!.roles).toEqual(['user', 'assistant', 'tool', 'user']);
    });
  });

  it.each([
    [{ function_call: { name: 'get_sun' } }, 'function_call'],
    [{ tools: [{ type: 'function', function: { name: 'f' } }] }, 'functions'],
  ])('beside %j are refused before anything is sent', async (members, param) => {
    const nonce = newNonce();
    const body = { model: 'deepseek-chat', messages: [use(nonce)], functions: FUNCTIONS, ...members };
    const { status, body: answer } = await chat(platform(), customer.apiKey, body);
    expect([status, answer?.error]).toEqual([400, expect.objectContaining({ code: 'invalid_value', param })]);
    expect(await upstreamCalls(platform(), nonce)).toEqual([]);
  });

  it('are refused by a model without tools', async () => {
    const messages = [{ role: 'user', content: 'Hi' }];
    const answer = await chat(platform(), customer.apiKey, {
      model: 'glm-4v',
      messages,
      functions: FUNCTIONS,
    });
    expect([answer.status, answer.body?.error]).toEqual([
      400,
      expect.objectContaining({ code: 'unsupported_parameter', param: 'functions' }),
    ]);
  });

  // Guarantee: a client's function keeps its name, also where a provider has it for itself.
  it.each([
    ['qwen3.7-plus', false],
    ['qwen3.7-max', true],
    ['deepseek-chat', false],
  ])(
    'a function named search is called by its name, by the Qwen of %s, streamed %s',
    async (model, stream) => {
      const nonce = newNonce();
      // DeepSeek fails: its backup is Qwen.
      const remove = await script(platform(), { nonce, provider: 'deepseek' }, { fault: 'error:500' });
      const tool = { type: 'function', function: { ...FUNCTIONS[0]!, name: 'search' } };
      const content = `[[sim nonce=${nonce} tool_calls=1]] Use a tool.`;
      const answer = await chat(platform(), customer.apiKey, {
        model,
        stream,
        messages: [
          { role: 'user', content: 'Hello' },
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ id: 'c1', type: 'function', function: { name: 'search', arguments: '{}' } }],
          },
          { role: 'tool', tool_call_id: 'c1', content: 'nothing' },
          { role: 'user', content },
        ],
        tools: [tool],
        tool_choice: { type: 'function', function: { name: 'search' } },
      });
      await remove();
      expect([answer.status, answer.headers.get('x-tunan-provider')]).toEqual([200, 'simulator']);
      expect(answer.text).toContain('"name":"search"');
      expect(answer.text).not.toContain('search_');
      const calls = await endedCalls(platform(), nonce, 1);
      expect(calls.at(-1)).toMatchObject({
        provider: 'qwen',
        parameters: {
          tools: [{ function: { name: 'search_' } }],
          tool_choice: { function: { name: 'search_' } },
        },
      });
    },
  );
};
