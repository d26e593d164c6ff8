import type { Ask, ToolChoice } from '../../domain/ask.js';
import { imagesOf, textOf, type WireMessage } from '../../domain/message.js';
import { countPrompt } from '../../domain/usage.js';
import { BodyReader } from '../body-reader.js';
import { CONTEXT_TOKENS, DEEPSEEK_MODELS, OUTPUT_TOKENS_MAX, type DeepSeekModel } from './deepseek-models.js';
import { deepseekRefusal } from './deepseek-errors.js';

const ROLES = ['system', 'user', 'assistant', 'tool'];
const EFFORTS = ['minimal', 'low', 'medium', 'high', 'xhigh', 'max', 'ultra'];
const TOOL_NAME = /^[A-Za-z0-9_-]{1,64}$/;
const USER_ID = /^[A-Za-z0-9_-]{1,512}$/;
const TOOLS_MAX = 128;
const STOPS_MAX = 16;

const unknownRole = (role: string, index: number): string =>
  `Failed to deserialize the JSON body into the target type: messages[${index}].role: unknown variant \`${role}\`, ` +
  'expected one of `system`, `user`, `assistant`, `tool`';

const readModel = (reader: BodyReader): DeepSeekModel => {
  const name = reader.text('model') ?? '';
  const model = Object.hasOwn(DEEPSEEK_MODELS, name) ? DEEPSEEK_MODELS[name] : undefined;
  if (model === undefined) throw deepseekRefusal('Model Not Exist');
  return model;
};

const readThinking = (reader: BodyReader): boolean => {
  const type = reader.record('thinking')?.['type'] ?? 'enabled';
  if (type !== 'enabled' && type !== 'disabled')
    throw deepseekRefusal(
      `thinking.type: unknown variant \`${String(type)}\`, expected \`enabled\` or \`disabled\``,
    );
  const effort = reader.text('reasoning_effort');
  if (effort !== undefined && !EFFORTS.includes(effort))
    throw deepseekRefusal(`reasoning_effort: unknown variant \`${effort}\``);
  return type === 'enabled';
};

const checkMessages = (messages: readonly WireMessage[], model: DeepSeekModel, thinking: boolean): void => {
  for (const message of messages) {
    const calls = Array.isArray(message.tool_calls) && message.tool_calls.length > 0;
    if (message.role === 'assistant' && (message.content ?? null) === null && !calls)
      throw deepseekRefusal('Invalid assistant message: content or tool_calls must be set');
    if (thinking && calls && typeof message.reasoning_content !== 'string')
      throw deepseekRefusal('The reasoning_content in the thinking mode must be passed back to the API.');
    if (!model.vision && imagesOf(message.content) > 0)
      throw deepseekRefusal('unknown variant `image_url`, expected `text`');
  }
};

const readFormat = (reader: BodyReader, messages: readonly WireMessage[]): Ask['json'] => {
  const type = reader.record('response_format')?.['type'] ?? 'text';
  if (type === 'text') return undefined;
  if (type !== 'json_object') throw deepseekRefusal('This response_format type is unavailable now');
  if (!messages.some((message) => /json/i.test(textOf(message.content))))
    throw deepseekRefusal(
      "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'.",
    );
  return { schema: undefined };
};

const checkSampling = (reader: BodyReader): void => {
  const range = (name: string, low: number, high: number): string =>
    `Invalid ${name} value, the valid range of ${name} is [${low}, ${high}]`;
  reader.number('temperature', (value) => value >= 0 && value <= 2, range('temperature', 0, 2));
  reader.number(
    'top_p',
    (value) => value > 0 && value <= 1,
    'Invalid top_p value, the valid range of top_p is (0, 1]',
  );
  reader.integer('top_logprobs', 0, 20, range('top_logprobs', 0, 20));
  for (const name of ['presence_penalty', 'frequency_penalty'])
    reader.number(name, (value) => value >= -2 && value <= 2, range(name, -2, 2));
  const userId = reader.text('user_id');
  if (userId !== undefined && !USER_ID.test(userId)) throw deepseekRefusal('Invalid user_id');
};

/** `auto` is the default; in thinking no tool can be forced. */
const readToolChoice = (reader: BodyReader, tools: Ask['tools'], thinking: boolean): ToolChoice => {
  const choice = reader.toolChoice(tools) ?? 'auto';
  if (thinking && choice !== 'auto' && choice !== 'none')
    throw deepseekRefusal('Thinking mode does not support this tool_choice');
  return choice;
};

/**
 * Checks a chat request as DeepSeek does. `max_completion_tokens`, `n`, `seed`, `user` and unknown members are
 * ignored without a word.
 * @throws Refusal
 */
export const readDeepSeekChat = (body: Record<string, unknown>): Ask => {
  const reader = new BodyReader(body, (problem) => deepseekRefusal(problem));
  const model = readModel(reader);
  const messages = reader.messages(ROLES, unknownRole);
  const thinking = readThinking(reader);
  checkMessages(messages, model, thinking);
  checkSampling(reader);
  const stream = reader.boolean('stream') ?? false;
  const options = reader.record('stream_options');
  if (options !== undefined && !stream)
    throw deepseekRefusal('stream_options should be set along with stream = true');
  const tools = reader.tools(TOOLS_MAX, [], (name) =>
    TOOL_NAME.test(name)
      ? undefined
      : `Invalid 'tools[].function.name': string does not match pattern '^[a-zA-Z0-9_-]+$'`,
  );
  const promptTokens = countPrompt(messages, body['tools']);
  if (promptTokens > CONTEXT_TOKENS)
    throw deepseekRefusal(
      `This model's maximum context length is ${CONTEXT_TOKENS} tokens. However, you requested ${promptTokens} tokens. ` +
        'Please reduce the length of the messages.',
    );
  const maxTokens = reader.integer(
    'max_tokens',
    1,
    OUTPUT_TOKENS_MAX,
    `Invalid max_tokens value, the valid range of max_tokens is [1, ${OUTPUT_TOKENS_MAX}]`,
  );
  return {
    model: model.id,
    stream,
    includeUsage: options?.['include_usage'] === true,
    thinking,
    reasoningMax: OUTPUT_TOKENS_MAX,
    outputMax: maxTokens ?? OUTPUT_TOKENS_MAX,
    answerMax: OUTPUT_TOKENS_MAX,
    stop: reader.stop(STOPS_MAX, `stop: expected a string or at most ${STOPS_MAX} strings`),
    tools,
    toolChoice: readToolChoice(reader, tools, thinking),
    parallelToolCalls: true,
    json: readFormat(reader, messages),
    n: 1,
    promptTokens,
    thinkingInContent: false,
    ...(reader.boolean('logprobs') === true && {
      logprobs: { alternatives: Number(body['top_logprobs'] ?? 0) },
    }),
  };
};
