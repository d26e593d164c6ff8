import type { ProviderId } from '@tunan/contracts';
import { reasoningDetail } from '../domain/messages.js';
import type { VendorError } from '../domain/vendor-error.js';
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

/** A conversation in which a function was called. @param members of the message that calls it */
const historyWithCall = (members: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => {
  const call = { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } };
  return {
    tools: [TOOL],
    messages: [
      { role: 'user', content: 'Use f.' },
      { role: 'assistant', content: '', ...members, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'call_1', content: 'done' },
    ],
  };
};

/** How a provider refuses what a probe asks: its status, and its code or words. */
interface Refusal {
  readonly statuses: readonly number[];
  readonly says: RegExp;
}

/** What decides a probe. What is neither decides nothing: our key, our money, our rate, a provider that fails. */
interface Decision {
  /** Of an answer that was given; without it such an answer decides nothing. */
  readonly answered?: (answer: LiveAnswer) => boolean;
  /** The refusal that is expected, and whether it confirms. */
  readonly refused?: readonly [Refusal, boolean];
}

const decide = (answer: LiveAnswer, { answered, refused }: Decision): boolean | string => {
  const { status, error } = answer;
  if (error === null && isAnswer(answer) && answered !== undefined) return answered(answer);
  if (error !== null && refused !== undefined && refusedAs(error, refused[0])) return refused[1];
  return `answered ${status}: ${answer.text.slice(0, 120)}`;
};

const refusedAs = ({ status, code, message }: VendorError, { statuses, says }: Refusal): boolean =>
  statuses.includes(status) && says.test(`${code}: ${message}`);

/** True if it has what was asked for: completions, vectors, or a stream that came to its end. */
const isAnswer = ({ status, json, text }: LiveAnswer): boolean => {
  if (status !== 200) return false;
  if (json === undefined) return /"finish_reason":\s*"(?:stop|length)"/.test(text);
  const list: unknown = json['choices'] ?? json['data'];
  return Array.isArray(list) && list.length > 0;
};

const always = (): boolean => true;
const never = (): boolean => false;

/** @param missing how the provider says that it isn't */
const serves = (model: string, missing: Refusal): InferredFact => ({
  claim: `${model} is served`,
  probe: async (provider) =>
    decide(await provider.chat(model, 'Say hi.'), { answered: always, refused: [missing, false] }),
});

/** Last of a provider's: it is about all answers before it. */
const NO_RETRY_AFTER: InferredFact = {
  claim: 'who is turned away is not told for how long (Retry-After)',
  probe: ({ turnedAway }) => {
    if (turnedAway.length === 0) return Promise.resolve('nothing was turned away');
    return Promise.resolve(turnedAway.every(({ headers }) => headers['retry-after'] === undefined));
  },
};

const vectorOf = ({ json }: LiveAnswer): unknown =>
  ((json?.['data'] as { readonly embedding?: unknown }[] | undefined) ?? [])[0]?.embedding;

const refusal = (statuses: readonly number[], says: RegExp): Refusal => ({ statuses, says });

const deepseek: readonly InferredFact[] = [
  {
    claim: 'the id deepseek-chat is retired and refused',
    probe: async (provider) =>
      decide(await provider.chat('deepseek-chat', 'Say hi.'), {
        answered: never,
        refused: [{ statuses: [400], says: /model not exist|model names are|does not exist|retired/i }, true],
      }),
  },
  {
    claim: 'n is ignored, not refused',
    probe: async (provider) =>
      decide(await provider.chat('deepseek-flash', 'Say hi.', { n: 2, ...OFF }), {
        answered: (answer) => choicesOf(answer).length === 1,
        refused: [refusal([400, 422], /\bn\b/), false],
      }),
  },
  {
    claim: 'a blank stands in for thinking that a client dropped after a tool call',
    probe: async (provider) => {
      const answer = await provider.post('/chat/completions', {
        model: 'deepseek-flash',
        max_tokens: 64,
        thinking: { type: 'enabled' },
        ...historyWithCall({ reasoning_content: ' ' }),
      });
      return decide(answer, {
        answered: always,
        refused: [refusal([400], /reasoning_content/), false],
      });
    },
  },
  NO_RETRY_AFTER,
];

const QWEN_MISSING: Refusal = {
  statuses: [403, 404],
  says: /^(?:model_not_found|model_not_supported|Endpoint\.AccessDenied):/i,
};

const qwen: readonly InferredFact[] = [
  serves('qwen-coder-plus', QWEN_MISSING),
  serves('qwen-math-plus', QWEN_MISSING),
  {
    claim: 'qwen3.7-plus without thinking stands in for qwen-vl-max: it answers without thinking',
    probe: async (provider) =>
      decide(await provider.chat('qwen3.7-plus', 'Say hi.', { enable_thinking: false }), {
        answered: (answer) => (choicesOf(answer)[0]?.message?.reasoning_content ?? '') === '',
        refused: [refusal([400], /enable_thinking/), false],
      }),
  },
  {
    claim: 'qwen3.7-max takes no json_schema',
    probe: async (provider) =>
      decide(
        await provider.chat('qwen3.7-max', 'Give a as 1, as json.', {
          response_format: SCHEMA,
          enable_thinking: false,
        }),
        { answered: never, refused: [refusal([400], /response_format|json_schema/), true] },
      ),
  },
  {
    claim: 'qwen3.7-max gives no log probabilities',
    probe: async (provider) =>
      decide(await provider.chat('qwen3.7-max', 'Say hi.', { logprobs: true, enable_thinking: false }), {
        answered: (answer) => choicesOf(answer)[0]?.logprobs == null,
        refused: [refusal([400], /logprobs/), true],
      }),
  },
  {
    claim: 'embeddings come as floats only',
    probe: async (provider) => {
      const body = { model: 'text-embedding-v3', input: 'hi', encoding_format: 'base64' };
      return decide(await provider.post('/embeddings', body), {
        answered: (answer) => typeof vectorOf(answer) !== 'string',
        refused: [refusal([400], /encoding_format/), true],
      });
    },
  },
  NO_RETRY_AFTER,
];

const GLM_MISSING: Refusal = { statuses: [400], says: /^(?:1211|1222):|^1214:.*modelCode/ };
/** A bad parameter. What is asked besides is what the call for an answer before has asked. */
const GLM_PARAMETER = refusal([400], /^(?:1210|1213|1214|1215):/);

const glm: readonly InferredFact[] = [
  serves('glm-4-plus', GLM_MISSING),
  serves('glm-4-flash-250414', GLM_MISSING),
  serves('glm-4v-plus-0111', GLM_MISSING),
  {
    claim: 'temperature 0 is taken together with do_sample false',
    probe: async (provider) =>
      decide(await provider.chat('glm-4-flash-250414', 'Say hi.', { temperature: 0, do_sample: false }), {
        answered: always,
        refused: [GLM_PARAMETER, false],
      }),
  },
  {
    claim: 'the plain key is enough, without a signed token',
    probe: async (provider) =>
      decide(await provider.chat('glm-4-flash-250414', 'Say hi.'), { answered: always }),
  },
  {
    claim: 'embedding-3 has 2048 dimensions by default',
    probe: async (provider) =>
      decide(await provider.post('/embeddings', { model: 'embedding-3', input: 'hi' }), {
        answered: (answer) => (vectorOf(answer) as readonly number[] | undefined)?.length === 2_048,
      }),
  },
  {
    claim: 'embeddings come as floats, whatever encoding_format says',
    probe: async (provider) => {
      const body = { model: 'embedding-3', input: 'hi', encoding_format: 'base64' };
      return decide(await provider.post('/embeddings', body), {
        answered: (answer) => typeof vectorOf(answer) !== 'string',
        refused: [GLM_PARAMETER, false],
      });
    },
  },
  NO_RETRY_AFTER,
];

const M3 = 'MiniMax-M3';
const SPLIT = { reasoning_split: true, ...OFF };

/** A bad parameter with this in its message. */
const minimaxParameter = (name: RegExp): Refusal =>
  refusal([200, 400], new RegExp(`^2013:.*${name.source}|${name.source}.*\\(2013\\)`));

const minimax: readonly InferredFact[] = [
  {
    claim: 'stop has no effect',
    probe: async (provider) =>
      decide(await provider.chat(M3, COUNT, { stop: ['5'], ...SPLIT }), {
        answered: (answer) => contentOf(answer).includes('5'),
        refused: [minimaxParameter(/\bstop\b/), false],
      }),
  },
  {
    claim: 'tool_choice has no effect',
    probe: async (provider) => {
      const choice = { tools: [TOOL], tool_choice: { type: 'function', function: { name: 'f' } } };
      return decide(await provider.chat(M3, 'Say hi.', { ...choice, ...SPLIT }), {
        answered: (answer) => choicesOf(answer)[0]?.message?.tool_calls == null,
        refused: [minimaxParameter(/\btool_choice\b/), false],
      });
    },
  },
  {
    claim: 'response_format has no effect',
    probe: async (provider) =>
      decide(await provider.chat(M3, 'Say hi.', { response_format: { type: 'json_object' }, ...SPLIT }), {
        answered: (answer) => !contentOf(answer).trimStart().startsWith('{'),
        refused: [minimaxParameter(/\bresponse_format\b/), false],
      }),
  },
  {
    claim: 'a stream ends without [DONE]',
    probe: async (provider) =>
      decide(await provider.chat(M3, 'Say hi.', { stream: true, ...SPLIT }), {
        answered: (answer) => !answer.text.includes('[DONE]'),
      }),
  },
  {
    claim: 'an unknown model is code 2013',
    probe: async (provider) =>
      decide(await provider.chat('MiniMax-M0', 'Say hi.'), {
        answered: never,
        refused: [refusal([200, 400], /^2013:|\(2013\)\s*$/), true],
      }),
  },
  {
    claim: 'M2.x takes its thinking back as reasoning_details, as this gateway writes them',
    probe: async (provider) => {
      const thought = 'I have to use f.';
      const thinking = { reasoning_content: thought, reasoning_details: [reasoningDetail(thought)] };
      const answer = await provider.post('/chat/completions', {
        model: 'MiniMax-M2.5',
        max_tokens: 64,
        reasoning_split: true,
        ...historyWithCall(thinking),
      });
      return decide(answer, {
        answered: always,
        refused: [minimaxParameter(/reasoning/), false],
      });
    },
  },
  {
    claim: 'M2.x takes temperature 0',
    probe: async (provider) =>
      decide(await provider.chat('MiniMax-M2.5', 'Say hi.', { temperature: 0 }), {
        answered: always,
        refused: [minimaxParameter(/\btemperature\b/), false],
      }),
  },
  NO_RETRY_AFTER,
];

/** What is only inferred of each provider, and how to find out. */
export const INFERRED_FACTS: Readonly<Record<ProviderId, readonly InferredFact[]>> = {
  deepseek,
  qwen,
  glm,
  minimax,
};
