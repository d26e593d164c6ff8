import { beforeAll, describe, expect, it } from '@jest/globals';
import { newCustomer } from '../contract/customer.js';
import type { Platform } from '../e2e/topology.js';
import { chat } from './front-door.js';
import { endedCalls, newNonce } from './upstream-calls.js';

const system = (content: string, more: object = {}) => ({ role: 'system', content, ...more });
const user = (content: unknown, more: object = {}) => ({ role: 'user', content, ...more });
const toolTurn = (id: string, name: string, args: string, result: unknown, more: object = {}) => [
  {
    role: 'assistant',
    content: null,
    tool_calls: [{ id, type: 'function', function: { name, arguments: args } }],
    ...more,
  },
  { role: 'tool', tool_call_id: id, content: result },
];
const tool = (name: string) => ({
  type: 'function',
  function: {
    name,
    description: name,
    parameters: { type: 'object', properties: { city: { type: 'string' } } },
  },
});

/** Two answers that thought, one of them before a call. */
const BROUGHT_BACK = [
  user('What is the weather in Rome?'),
  ...toolTurn('call_1', 'get_weather', '{}', '21 °C', { reasoning_content: 'I need the weather.' }),
  { role: 'assistant', content: 'It is 21 °C.', reasoning_content: 'Done.' },
  user('And in Oslo?'),
];

/** Conversations in the forms in which agent frameworks send them. */
const CONVERSATIONS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'AutoGen: names, and a system message at the end': {
    messages: [
      system('You are in a role play game. The following roles are available: writer, critic.'),
      user('Write a haiku about tuna.', { name: 'user_proxy' }),
      { role: 'assistant', content: 'Silver in the deep', name: 'writer' },
      user('Make it sadder.', { name: 'critic' }),
      system(
        'Read the above conversation. Then select the next role from [writer, critic] to play. Only return the role.',
      ),
    ],
  },
  'AutoGen: only a system message': { messages: [system('Say hello to the team.')] },
  'AutoGen: legacy functions': {
    messages: [
      user('What is the weather in Rome?'),
      {
        role: 'assistant',
        content: null,
        function_call: { name: 'get_weather', arguments: '{"city":"Rome"}' },
      },
      { role: 'function', name: 'get_weather', content: '21 °C' },
    ],
    functions: [
      { name: 'get_weather', description: 'Weather', parameters: { type: 'object', properties: {} } },
    ],
  },
  'CrewAI: five system messages, list content, a stop sequence': {
    messages: [
      system('You are Researcher. Expert researcher.'),
      system('Your personal goal is: find insights.'),
      user([
        { type: 'text', text: 'Current Task: name three fish.' },
        { type: 'text', text: 'Begin!' },
      ]),
      system('To give my best complete final answer use the exact format.'),
      { role: 'assistant', content: [{ type: 'text', text: 'Thought: I now can give a great answer' }] },
      system('Your final answer must be the great and the most complete as possible.'),
      user('You ONLY have access to the following tools.'),
      system('Think step by step.'),
    ],
    stop: ['\nObservation:'],
    temperature: 0.7,
  },
  'LangGraph: two tool turns without thinking in the history': {
    messages: [
      system('You are a helpful assistant.', { name: 'supervisor' }),
      user('Compare the weather of Rome and Oslo.'),
      ...toolTurn('call_1', 'get_weather', '{"city":"Rome"}', '21 °C', { name: 'agent' }),
      ...toolTurn('call_2', 'get_weather', '{"city":"Oslo"}', [{ type: 'text', text: '3 °C' }]),
    ],
    tools: [tool('get_weather'), tool('transfer_to_supervisor')],
    parallel_tool_calls: false,
  },
  'LangGraph: parallel calls, empty content, a developer message in between': {
    messages: [
      user('Rome and Oslo?'),
      {
        role: 'assistant',
        content: '',
        tool_calls: ['Rome', 'Oslo'].map((city, index) => ({
          id: `call_${index}`,
          type: 'function',
          function: { name: 'get_weather', arguments: JSON.stringify({ city }) },
        })),
      },
      { role: 'tool', tool_call_id: 'call_0', content: '21 °C', name: 'get_weather' },
      { role: 'tool', tool_call_id: 'call_1', content: '3 °C', name: 'get_weather' },
      { role: 'developer', content: 'Answer briefly.' },
      user('Which one is warmer?'),
    ],
    tools: [tool('get_weather')],
  },
  'a conversation that brings its thinking back': {
    messages: BROUGHT_BACK,
    tools: [tool('get_weather')],
  },
};

/** How many of the two answers that thought get their thinking back, as a text and in details. */
const THINKING_SENT: Readonly<Record<string, readonly [reasoned: number, detailed: number]>> = {
  'deepseek-chat': [0, 0],
  'deepseek-reasoner': [1, 0],
  'qwen3.7-plus': [0, 0],
  'glm-4-plus': [0, 0],
  'minimax-m3': [0, 0],
  'minimax-m2.7': [2, 2],
};

const MODELS = [
  'deepseek-chat',
  'deepseek-reasoner',
  'qwen3.7-plus',
  'qwen-coder-plus',
  'glm-4-plus',
  'minimax-m3',
  'minimax-m2.7',
];

/** Every provider takes every form: system messages anywhere, names, lists, tool turns without thinking. */
export const describeConversations = (platform: () => Platform): void => {
  let apiKey: string;
  beforeAll(async () => {
    ({ apiKey } = await newCustomer(platform()));
  });

  describe.each(Object.entries(CONVERSATIONS))('%s', (_name, request) => {
    it.each(MODELS)('is answered by %s', async (model) => {
      for (const stream of [false, true]) {
        const answer = await chat(platform(), apiKey, { model, stream, ...request });
        expect([answer.status, answer.body?.error]).toEqual([200, undefined]);
        expect(answer.text).not.toContain('"error"');
        expect(answer.headers.get('x-tunan-fallback')).toBe('false');
      }
    });
  });

  it.each(Object.entries(THINKING_SENT))('%s gets %j of its thinking back', async (model, expected) => {
    const nonce = newNonce();
    const messages = [...BROUGHT_BACK, user(`[[sim nonce=${nonce}]]`)];
    const answer = await chat(platform(), apiKey, { model, messages, tools: [tool('get_weather')] });
    expect(answer.status).toBe(200);
    const [call] = await endedCalls(platform(), nonce, 1);
    expect([call!.conversation!.reasoned, call!.conversation!.detailed]).toEqual(expected);
  });
};
