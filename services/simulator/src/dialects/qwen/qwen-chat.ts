import type { Ask, ToolChoice } from '../../domain/ask.js';
import { imagesOf, textOf, type WireMessage } from '../../domain/message.js';
import { countPrompt } from '../../domain/usage.js';
import { BodyReader } from '../body-reader.js';
import type { ErrorContext } from '../dialect.js';
import { qwenModelRefusal, qwenRefusal } from './qwen-errors.js';
import { QWEN_MODELS, RETIRED_MODELS, type QwenModel } from './qwen-models.js';

const ROLES = ['system', 'user', 'assistant', 'tool'];
const TOOLS_MAX = 128;
const STOPS_MAX = 16;
const SEED_MAX = 2_147_483_647;

const unknownRole = (role: string, index: number): string =>
  `'${role}' is not one of ['system', 'assistant', 'user', 'tool', 'function'] - 'messages.${index}.role'`;

class QwenChatReader {
  readonly #reader: BodyReader;
  readonly #model: QwenModel;
  readonly #name: string;

  constructor(
    private readonly body: Record<string, unknown>,
    private readonly context: ErrorContext,
  ) {
    this.#reader = new BodyReader(body, (problem) => qwenRefusal(problem, context));
    this.#name = this.#reader.text('model') ?? '';
    const model = Object.hasOwn(QWEN_MODELS, this.#name) ? QWEN_MODELS[this.#name] : undefined;
    if (model === undefined) throw qwenModelRefusal(this.#name, RETIRED_MODELS.includes(this.#name), context);
    this.#model = model;
  }

  read(): Ask {
    const messages = this.#reader.messages(ROLES, unknownRole);
    const thinking = this.#readThinking();
    this.#checkSampling();
    if (!this.#model.vision && messages.some((message) => imagesOf(message.content) > 0))
      throw this.#refuse('The model does not support image input');
    const tools = this.#reader.tools(TOOLS_MAX, [], (name) =>
      name === '' || name === 'search' ? `Tool names are not allowed to be [${name}]` : undefined,
    );
    const promptTokens = countPrompt(messages, this.body['tools'], this.body['response_format']);
    if (promptTokens > this.#model.contextTokens)
      throw this.#refuse(`Range of input length should be [1, ${this.#model.contextTokens}]`);
    return {
      model: this.#name,
      stream: this.#reader.boolean('stream') ?? false,
      includeUsage: this.#reader.record('stream_options')?.['include_usage'] === true,
      thinking,
      ...this.#readBounds(),
      stop: this.#reader.stop(STOPS_MAX, 'stop: expected a string or a list of strings'),
      tools,
      toolChoice: this.#readToolChoice(tools, thinking),
      parallelToolCalls: this.#reader.boolean('parallel_tool_calls') ?? false,
      json: this.#readFormat(messages, thinking),
      n: this.#readChoices(thinking, tools.length > 0),
      promptTokens,
      thinkingInContent: false,
    };
  }

  #refuse(problem: string): Error {
    return qwenRefusal(problem, this.context);
  }

  #readThinking(): boolean {
    const asked = this.#reader.boolean('enable_thinking');
    const { thinking } = this.#model;
    return thinking === 'never' ? false : (asked ?? thinking === 'on');
  }

  /** `max_tokens` bounds the answer alone; only newer models know a bound of everything. */
  #readBounds(): Pick<Ask, 'reasoningMax' | 'outputMax' | 'answerMax'> {
    const { outputTokensMax: most, thinkingBudgetMax: budgetMax, boundsThinking } = this.#model;
    const answer = this.#reader.integer('max_tokens', 1, most, `Range of max_tokens should be [1, ${most}]`);
    const all = boundsThinking
      ? this.#reader.integer(
          'max_completion_tokens',
          1,
          most + budgetMax,
          `Range of max_completion_tokens should be [1, ${most + budgetMax}]`,
        )
      : undefined;
    const budget = this.#reader.integer(
      'thinking_budget',
      0,
      budgetMax,
      `Range of thinking_budget should be [0, ${budgetMax}]`,
    );
    return {
      reasoningMax: budget ?? budgetMax,
      outputMax: all ?? most + budgetMax,
      answerMax: answer ?? most,
    };
  }

  #checkSampling(): void {
    const reader = this.#reader;
    reader.number('temperature', (value) => value >= 0 && value < 2, 'Temperature should be in [0.0, 2.0)');
    reader.number('top_p', (value) => value > 0 && value <= 1, 'Range of top_p should be (0.0, 1.0]');
    reader.number('top_k', (value) => value >= 0, 'Parameter top_k be greater than or equal to 0');
    reader.number(
      'repetition_penalty',
      (value) => value > 0,
      'repetition_penalty should be greater than 0.0',
    );
    reader.number(
      'presence_penalty',
      (value) => value >= -2 && value <= 2,
      'Range of presence_penalty should be [-2, 2]',
    );
    reader.integer('seed', 0, SEED_MAX, `Range of seed should be [0, ${SEED_MAX}]`);
    reader.integer('top_logprobs', 0, 5, 'Range of top_logprobs should be [0, 5]');
  }

  #readToolChoice(tools: Ask['tools'], thinking: boolean): ToolChoice {
    const choice = this.#reader.toolChoice(tools) ?? 'auto';
    if (choice === 'required')
      throw this.#refuse('tool_choice is one of the strings that should be ["none", "auto"]');
    if (thinking && typeof choice === 'object')
      throw this.#refuse('The tool_choice parameter does not support being set to object in thinking mode');
    return choice;
  }

  #readFormat(messages: readonly WireMessage[], thinking: boolean): Ask['json'] {
    const format = this.#reader.record('response_format');
    const type = format?.['type'] ?? 'text';
    if (type === 'text') return undefined;
    if (type === 'json_schema' && this.#model.jsonSchema) {
      const described = format?.['json_schema'] as { schema?: Record<string, unknown> } | undefined;
      return { schema: described?.schema ?? {} };
    }
    if (type !== 'json_object')
      throw this.#refuse(`'response_format.type' ${String(type)} is not supported by this model`);
    if (thinking) throw this.#refuse('Json mode response is not supported when enable_thinking is true');
    if (!messages.some((message) => /json/i.test(textOf(message.content))))
      throw this.#refuse(
        "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
      );
    return { schema: undefined };
  }

  #readChoices(thinking: boolean, tools: boolean): number {
    const most = thinking || tools ? 1 : this.#model.choicesMax;
    return this.#reader.integer('n', 1, most, `Range of n should be [1, ${most}]`) ?? 1;
  }
}

/**
 * Checks a chat request as the compatible mode does.
 * @throws Refusal
 */
export const readQwenChat = (body: Record<string, unknown>, context: ErrorContext): Ask =>
  new QwenChatReader(body, context).read();
