import type { ProviderId, Usage } from '@tunan/contracts';
import type { FinishReason } from '@tunan/llm';
import { eventText } from './scripted-provider.js';

/** One stream in a provider's own words, and what it says. */
export interface StreamSample {
  readonly name: string;
  readonly provider: ProviderId;
  readonly text: string;
  readonly expected: {
    readonly content: string;
    readonly reasoning: string;
    readonly finishReason: FinishReason;
    readonly usage: Usage | null;
    readonly toolCalls: readonly object[];
  };
}

const DONE = 'data: [DONE]\n\n';
const deepseek = (delta: object, finish: string | null = null, usage: object | null = null) => ({
  id: '97b0f8f4',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'deepseek-flash',
  system_fingerprint: 'fp_eaab',
  choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  usage,
});
const qwen = (delta: object, finish: string | null = null) => ({
  model: 'qwen3.7-max',
  id: 'chatcmpl-9',
  choices: [{ delta, index: 0, finish_reason: finish, logprobs: null }],
  created: 1,
  object: 'chat.completion.chunk',
  usage: null,
});
const glm = (delta: object, more: object = {}, outer: object = {}) => ({
  id: '2026',
  created: 1,
  object: 'chat.completion.chunk',
  model: 'glm-5',
  choices: [{ index: 0, ...more, delta }],
  ...outer,
});
const minimax = (delta: object, finish?: string) => ({
  id: '07008f',
  choices: [
    {
      ...(finish === undefined ? {} : { finish_reason: finish }),
      index: 0,
      delta: { name: 'MiniMax AI', audio_content: '', ...delta },
    },
  ],
  created: 1,
  model: 'MiniMax-M2.7',
  object: 'chat.completion.chunk',
  usage: null,
  input_sensitive: false,
});

/** Shapes of documented and captured streams of every provider. */
export const STREAM_SAMPLES: readonly StreamSample[] = [
  {
    name: 'DeepSeek, thinking, usage with the finish reason',
    provider: 'deepseek',
    text:
      ': keep-alive\n\n' +
      eventText(
        deepseek({ role: 'assistant', content: null, reasoning_content: '' }),
        deepseek({ content: null, reasoning_content: 'We 想' }),
        deepseek({ content: 'Hel', reasoning_content: null }),
        deepseek({ content: 'lo 😀', reasoning_content: null }),
        deepseek({ content: '' }, 'length', {
          prompt_tokens: 37,
          completion_tokens: 4,
          total_tokens: 41,
          prompt_tokens_details: { cached_tokens: 7 },
          completion_tokens_details: { reasoning_tokens: 2 },
          prompt_cache_hit_tokens: 7,
          prompt_cache_miss_tokens: 30,
        }),
        DONE,
      ),
    expected: {
      content: 'Hello 😀',
      reasoning: 'We 想',
      finishReason: 'length',
      usage: { prompt: 37, cachedPrompt: 7, completion: 4, reasoning: 2 },
      toolCalls: [],
    },
  },
  {
    name: 'DeepSeek, parallel tool calls, usage in a chunk of its own',
    provider: 'deepseek',
    text: eventText(
      deepseek({ role: 'assistant', content: '' }),
      deepseek({
        tool_calls: [{ index: 0, id: 'call_00_x', type: 'function', function: { name: 'f', arguments: '' } }],
      }),
      deepseek({
        tool_calls: [{ index: 1, id: 'call_01_y', type: 'function', function: { name: 'g', arguments: '' } }],
      }),
      deepseek({ tool_calls: [{ index: 0, function: { arguments: '{"a"' } }] }),
      deepseek({ tool_calls: [{ index: 1, function: { arguments: '{}' } }] }),
      deepseek({ tool_calls: [{ index: 0, function: { arguments: ':1}' } }] }),
      deepseek({ content: '' }, 'tool_calls'),
      { ...deepseek({}), choices: [], usage: { prompt_tokens: 10, completion_tokens: 20, total_tokens: 30 } },
      DONE,
    ),
    expected: {
      content: '',
      reasoning: '',
      finishReason: 'tool_calls',
      usage: { prompt: 10, cachedPrompt: 0, completion: 20, reasoning: 0 },
      toolCalls: [
        { index: 0, id: 'call_00_x', type: 'function', function: { name: 'f', arguments: '' } },
        { index: 1, id: 'call_01_y', type: 'function', function: { name: 'g', arguments: '' } },
        { index: 0, function: { arguments: '{"a"' } },
        { index: 1, function: { arguments: '{}' } },
        { index: 0, function: { arguments: ':1}' } },
      ],
    },
  },
  {
    name: 'Qwen, tool call with empty ids in later pieces',
    provider: 'qwen',
    text: eventText(
      qwen({ content: null, reasoning_content: '', role: 'assistant' }),
      qwen({
        content: 'Hi',
        reasoning_content: null,
        role: null,
        function_call: null,
        refusal: null,
        tool_calls: null,
      }),
      qwen({
        tool_calls: [
          { index: 0, id: 'call_ead3', type: 'function', function: { name: 'get_weather', arguments: '' } },
        ],
        content: '',
      }),
      qwen({
        tool_calls: [
          { index: 0, id: '', type: 'function', function: { name: '', arguments: '{"city": "北京"}' } },
        ],
        content: '',
      }),
      qwen({ content: '' }, 'tool_calls'),
      {
        ...qwen({}),
        choices: [],
        usage: { prompt_tokens: 10, completion_tokens: 20, prompt_tokens_details: { cached_tokens: 0 } },
      },
      DONE,
    ),
    expected: {
      content: 'Hi',
      reasoning: '',
      finishReason: 'tool_calls',
      usage: { prompt: 10, cachedPrompt: 0, completion: 20, reasoning: 0 },
      toolCalls: [
        { index: 0, id: 'call_ead3', type: 'function', function: { name: 'get_weather', arguments: '' } },
        { index: 0, function: { arguments: '{"city": "北京"}' } },
      ],
    },
  },
  {
    name: 'GLM, role in every delta, index −1, finish reason twice',
    provider: 'glm',
    text: eventText(
      glm({ role: 'assistant', reasoning_content: 'hm' }),
      glm({ role: 'assistant', content: 'Hi' }),
      glm(
        {
          role: 'assistant',
          tool_calls: [
            {
              id: 'call_417f',
              index: -1,
              type: 'function',
              function: { name: 'bash', arguments: '{"c":"date"}' },
            },
          ],
        },
        { finish_reason: 'tool_calls' },
      ),
      glm(
        { role: 'assistant', content: '' },
        { finish_reason: 'tool_calls' },
        {
          usage: { prompt_tokens: 163, completion_tokens: 15, prompt_tokens_details: { cached_tokens: 158 } },
        },
      ),
      DONE,
    ),
    expected: {
      content: 'Hi',
      reasoning: 'hm',
      finishReason: 'tool_calls',
      usage: { prompt: 163, cachedPrompt: 158, completion: 15, reasoning: 0 },
      toolCalls: [
        {
          index: 0,
          id: 'call_417f',
          type: 'function',
          function: { name: 'bash', arguments: '{"c":"date"}' },
        },
      ],
    },
  },
  {
    name: 'MiniMax, text with the finish reason, usage of its own, no [DONE]',
    provider: 'minimax',
    text: eventText(
      minimax({
        role: 'assistant',
        reasoning_content: 'The',
        reasoning_details: [
          { type: 'reasoning.text', id: 'r1', format: 'MiniMax-response-v1', index: 0, text: 'The' },
        ],
      }),
      minimax({ role: '', content: '**' }),
      minimax({ role: 'assistant', content: ' last text' }, 'stop'),
      {
        ...minimax({}),
        choices: [],
        usage: {
          total_tokens: 885,
          total_characters: 0,
          prompt_tokens: 769,
          completion_tokens: 116,
          completion_tokens_details: { reasoning_tokens: 37 },
          prompt_tokens_details: { cached_tokens: 443 },
        },
        base_resp: { status_code: 0, status_msg: '' },
      },
    ),
    expected: {
      content: '** last text',
      reasoning: 'The',
      finishReason: 'stop',
      usage: { prompt: 769, cachedPrompt: 443, completion: 116, reasoning: 37 },
      toolCalls: [],
    },
  },
  {
    name: 'MiniMax, placeholder usages and the whole answer repeated at the end',
    provider: 'minimax',
    text: eventText(
      { ...minimax({ role: 'assistant', content: 'Hel' }), usage: { total_tokens: 0, total_characters: 0 } },
      { ...minimax({ role: 'assistant', content: 'lo' }), usage: { total_tokens: 0, total_characters: 0 } },
      {
        id: '07008f',
        object: 'chat.completion',
        choices: [
          {
            index: 0,
            finish_reason: 'stop',
            message: { role: 'assistant', content: 'Hello', name: 'MiniMax AI' },
          },
        ],
        usage: { total_tokens: 12, prompt_tokens: 10, completion_tokens: 2 },
        base_resp: { status_code: 0, status_msg: '' },
      },
    ),
    expected: {
      content: 'Hello',
      reasoning: '',
      finishReason: 'stop',
      usage: { prompt: 10, cachedPrompt: 0, completion: 2, reasoning: 0 },
      toolCalls: [],
    },
  },
  {
    name: 'MiniMax, a failure after the finish reason',
    provider: 'minimax',
    text: eventText(
      minimax({ role: 'assistant', content: 'Hello' }),
      minimax({ role: 'assistant', content: '' }, 'stop'),
      { choices: null, base_resp: { status_code: 1000, status_msg: 'unknown error' } },
    ),
    expected: { content: 'Hello', reasoning: '', finishReason: 'stop', usage: null, toolCalls: [] },
  },
  {
    name: 'Qwen, what is no JSON after the finish reason',
    provider: 'qwen',
    text: eventText(
      qwen({ content: 'Hello', role: 'assistant' }),
      qwen({ content: '' }, 'length'),
      'data: oops\n\n',
    ),
    expected: { content: 'Hello', reasoning: '', finishReason: 'length', usage: null, toolCalls: [] },
  },
];

const CALL = { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } };
const SHOWN_CALL = { index: 0, ...CALL };
const MINIMAX_USAGE = { ...minimax({}), choices: [], usage: { prompt_tokens: 9, completion_tokens: 50 } };

/** Streams whose stop sequences the gateway cuts, and what is left of them. */
export const STOPPED_SAMPLES: readonly (StreamSample & { readonly stop: readonly string[] })[] = [
  {
    name: 'MiniMax, reasoning and a call beside text that may begin a stop sequence',
    provider: 'minimax',
    stop: ['\nObservation:'],
    text: eventText(
      minimax({ role: 'assistant', content: '', reasoning_content: 'hm' }),
      minimax({ content: '\n', reasoning_content: ' so', tool_calls: [SHOWN_CALL] }),
      minimax({ content: '' }, 'tool_calls'),
      MINIMAX_USAGE,
    ),
    expected: {
      content: '\n',
      reasoning: 'hm so',
      finishReason: 'tool_calls',
      usage: { prompt: 9, cachedPrompt: 0, completion: 50, reasoning: 0 },
      toolCalls: [SHOWN_CALL],
    },
  },
  {
    name: 'MiniMax, a call, usage and a failure after a stop sequence',
    provider: 'minimax',
    stop: ['END', '漢字'],
    text: eventText(
      minimax({ role: 'assistant', content: 'one 漢' }),
      minimax({ content: '字 two' }),
      minimax({ content: 'three', tool_calls: [SHOWN_CALL] }),
      minimax({ content: '' }, 'tool_calls'),
      MINIMAX_USAGE,
      { choices: null, base_resp: { status_code: 1000, status_msg: 'unknown error' } },
    ),
    expected: { content: 'one ', reasoning: '', finishReason: 'stop', usage: null, toolCalls: [] },
  },
  {
    name: 'MiniMax, a failure beside the event that ends a stop sequence, and a call in it',
    provider: 'minimax',
    stop: ['END'],
    text: eventText(
      minimax({ role: 'assistant', content: 'one E', reasoning_content: 'hm' }),
      minimax({ content: 'ND', tool_calls: [SHOWN_CALL] }),
      { choices: null, base_resp: { status_code: 1000, status_msg: 'unknown error' } },
    ),
    expected: { content: 'one ', reasoning: 'hm', finishReason: 'stop', usage: null, toolCalls: [] },
  },
  {
    name: 'GLM, usage in the event that ends the second stop sequence',
    provider: 'glm',
    stop: ['nowhere', 'END'],
    text: eventText(
      glm({ role: 'assistant', content: 'one E' }),
      glm(
        { role: 'assistant', content: 'ND' },
        { finish_reason: 'length' },
        { usage: { prompt_tokens: 16, completion_tokens: 3 } },
      ),
      DONE,
    ),
    expected: {
      content: 'one ',
      reasoning: '',
      finishReason: 'stop',
      usage: { prompt: 16, cachedPrompt: 0, completion: 3, reasoning: 0 },
      toolCalls: [],
    },
  },
];
