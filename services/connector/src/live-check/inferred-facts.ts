import type { ProviderId } from '@tunan/contracts';
import { choicesOf, contentOf, type LiveAnswer, type LiveProvider } from './live-provider.js';

/** Something about a provider that this code relies on and that no document says outright. */
export interface InferredFact {
  /** As a sentence that is either true or false. */
  readonly claim: string;
  /** True: confirmed. False: refuted. A text: neither, and why. */
  readonly probe: (provider: LiveProvider) => Promise<boolean | string>;
}

const OFF = { thinking: { type: 'disabled' } };
const COUNT = 'Count from 1 to 9 in digits, separated by blanks.';
const TOOL = {
  type: 'function',
  function: {
    name: 'f',
    description: 'Does nothing.',
    parameters: { type: 'object', properties: { a: { type: 'string' } } },
  },
};
const SCHEMA = {
  type: 'json_schema',
  json_schema: {
    name: 'x',
    strict: true,
    schema: {
      type: 'object',
      properties: { a: { type: 'integer' } },
      required: ['a'],
      additionalProperties: false,
    },
  },
};

const succeeded = ({ status, json }: LiveAnswer): boolean => {
  const result = json?.['base_resp'] as { readonly status_code?: number } | undefined;
  return status === 200 && json?.['error'] == null && (result?.status_code ?? 0) === 0;
};

/** True if the model is served. */
const serves = (model: string, more: Readonly<Record<string, unknown>> = {}): InferredFact => ({
  claim: `${model} is served`,
  probe: async (provider) => succeeded(await provider.chat(model, 'Say hi.', more)),
});

/** Decided by an answer; one that failed decides nothing. */
const decide = (answer: LiveAnswer, decision: () => boolean): boolean | string =>
  succeeded(answer) ? decision() : `answered ${answer.status}: ${answer.text.slice(0, 120)}`;

const deepseek: readonly InferredFact[] = [
  {
    claim: 'the id deepseek-chat is retired and refused',
    probe: async (provider) => !succeeded(await provider.chat('deepseek-chat', 'Say hi.')),
  },
  {
    claim: 'n is ignored, not refused',
    probe: async (provider) => {
      const answer = await provider.chat('deepseek-flash', 'Say hi.', { n: 2, ...OFF });
      return decide(answer, () => choicesOf(answer).length === 1);
    },
  },
  {
    claim: 'a blank stands in for thinking that a client dropped after a tool call',
    probe: async (provider) => {
      const call = { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } };
      return succeeded(
        await provider.post('/chat/completions', {
          model: 'deepseek-flash',
          max_tokens: 64,
          thinking: { type: 'enabled' },
          tools: [TOOL],
          messages: [
            { role: 'user', content: 'Use f.' },
            { role: 'assistant', content: '', reasoning_content: ' ', tool_calls: [call] },
            { role: 'tool', tool_call_id: 'call_1', content: 'done' },
          ],
        }),
      );
    },
  },
];

const qwen: readonly InferredFact[] = [
  serves('qwen-coder-plus'),
  serves('qwen-math-plus'),
  {
    claim: 'qwen3.7-plus without thinking stands in for qwen-vl-max: it answers without thinking',
    probe: async (provider) => {
      const answer = await provider.chat('qwen3.7-plus', 'Say hi.', { enable_thinking: false });
      return decide(answer, () => (choicesOf(answer)[0]?.message?.reasoning_content ?? '') === '');
    },
  },
  {
    claim: 'qwen3.7-max takes no json_schema',
    probe: async (provider) =>
      !succeeded(
        await provider.chat('qwen3.7-max', 'Give a as 1, as json.', {
          response_format: SCHEMA,
          enable_thinking: false,
        }),
      ),
  },
  {
    claim: 'qwen3.7-max gives no log probabilities',
    probe: async (provider) => {
      const answer = await provider.chat('qwen3.7-max', 'Say hi.', {
        logprobs: true,
        enable_thinking: false,
      });
      return !succeeded(answer) || choicesOf(answer)[0]?.logprobs == null;
    },
  },
  {
    claim: 'embeddings come as floats only',
    probe: async (provider) => {
      const body = { model: 'text-embedding-v3', input: 'hi', encoding_format: 'base64' };
      const answer = await provider.post('/embeddings', body);
      const [first] = (answer.json?.['data'] as { readonly embedding?: unknown }[] | undefined) ?? [];
      return !succeeded(answer) || typeof first?.embedding !== 'string';
    },
  },
];

const glm: readonly InferredFact[] = [
  serves('glm-4-plus'),
  serves('glm-4-flash-250414'),
  serves('glm-4v-plus-0111'),
  {
    claim: 'temperature 0 is taken together with do_sample false',
    probe: async (provider) =>
      succeeded(await provider.chat('glm-4-flash-250414', 'Say hi.', { temperature: 0, do_sample: false })),
  },
  {
    claim: 'the plain key is enough, without a signed token',
    probe: async (provider) => (await provider.chat('glm-4-flash-250414', 'Say hi.')).status !== 401,
  },
  {
    claim: 'embedding-3 has 2048 dimensions by default',
    probe: async (provider) => {
      const answer = await provider.post('/embeddings', { model: 'embedding-3', input: 'hi' });
      const [first] =
        (answer.json?.['data'] as { readonly embedding?: readonly number[] }[] | undefined) ?? [];
      return decide(answer, () => first?.embedding?.length === 2_048);
    },
  },
];

const M3 = 'MiniMax-M3';
const SPLIT = { reasoning_split: true, ...OFF };

const minimax: readonly InferredFact[] = [
  {
    claim: 'stop has no effect',
    probe: async (provider) => {
      const answer = await provider.chat(M3, COUNT, { stop: ['5'], ...SPLIT });
      return decide(answer, () => contentOf(answer).includes('5'));
    },
  },
  {
    claim: 'tool_choice has no effect',
    probe: async (provider) => {
      const choice = { tools: [TOOL], tool_choice: { type: 'function', function: { name: 'f' } } };
      const answer = await provider.chat(M3, 'Say hi.', { ...choice, ...SPLIT });
      return decide(answer, () => choicesOf(answer)[0]?.message?.tool_calls == null);
    },
  },
  {
    claim: 'a stream ends without [DONE]',
    probe: async (provider) => {
      const answer = await provider.chat(M3, 'Say hi.', { stream: true, ...SPLIT });
      if (answer.status !== 200) return `answered ${answer.status}`;
      return !answer.text.includes('[DONE]');
    },
  },
  {
    claim: 'an unknown model is code 2013',
    probe: async (provider) => (await provider.chat('MiniMax-M0', 'Say hi.')).text.includes('2013'),
  },
  {
    claim: 'M2.x takes temperature 0',
    probe: async (provider) => succeeded(await provider.chat('MiniMax-M2.5', 'Say hi.', { temperature: 0 })),
  },
];

/** What is only inferred of each provider, and how to find out. */
export const INFERRED_FACTS: Readonly<Record<ProviderId, readonly InferredFact[]>> = {
  deepseek,
  qwen,
  glm,
  minimax,
};
