import type { Ask } from '../../domain/ask.js';
import { imagesOf, toolCallsOf, type WireMessage } from '../../domain/message.js';
import { countPrompt } from '../../domain/usage.js';
import { BodyReader } from '../body-reader.js';
import type { ErrorContext } from '../dialect.js';
import { minimaxRefusal } from './minimax-errors.js';
import { MINIMAX_MODELS, type MiniMaxModel } from './minimax-models.js';

const ROLES = ['system', 'user', 'assistant', 'tool'];
const TOOLS_MAX = 128;

class MiniMaxChatReader {
  readonly #reader: BodyReader;
  readonly #name: string;
  readonly #model: MiniMaxModel;

  constructor(
    private readonly body: Record<string, unknown>,
    private readonly context: ErrorContext,
  ) {
    this.#reader = new BodyReader(body, (problem) => minimaxRefusal(problem, context));
    this.#name = this.#reader.text('model') ?? '';
    const model = Object.hasOwn(MINIMAX_MODELS, this.#name) ? MINIMAX_MODELS[this.#name] : undefined;
    if (model === undefined) throw this.#refuse(`unknown model '${this.#name}'`);
    this.#model = model;
  }

  read(): Ask {
    const reader = this.#reader;
    const messages = reader.messages(ROLES, (role) => `messages: unknown role '${role}'`);
    this.#checkMessages(messages);
    this.#checkSampling();
    const tools = reader.tools(TOOLS_MAX, [], (name, tool) =>
      name === '' || Object.keys((tool['parameters'] as object | undefined) ?? {}).length === 0
        ? 'function name or parameters is empty'
        : undefined,
    );
    const promptTokens = countPrompt(messages, this.body['tools']);
    if (promptTokens > this.#model.contextTokens) throw this.#refuse('context window exceeds limit');
    const thinking = this.#readThinking();
    const most = this.#model.outputTokensMax;
    const bound =
      reader.integer('max_completion_tokens', 1, most, `max_completion_tokens must be in [1, ${most}]`) ??
      reader.integer('max_tokens', 1, most, `max_tokens must be in [1, ${most}]`);
    return {
      model: this.#name,
      stream: reader.boolean('stream') ?? false,
      includeUsage: reader.record('stream_options')?.['include_usage'] === true,
      thinking,
      reasoningMax: most,
      outputMax: bound ?? most,
      answerMax: most,
      // `stop`, `tool_choice` and `response_format` are not in the schema: tolerated and without effect.
      stop: [],
      tools,
      toolChoice: 'auto',
      parallelToolCalls: true,
      json: undefined,
      n: 1,
      promptTokens,
      thinkingInContent: reader.boolean('reasoning_split') !== true,
    };
  }

  #refuse(problem: string): Error {
    return minimaxRefusal(problem, this.context);
  }

  /** M2 models always think, whatever is sent. */
  #readThinking(): boolean {
    const type = this.#reader.record('thinking')?.['type'];
    if (type !== undefined && type !== 'adaptive' && type !== 'disabled' && type !== 'enabled')
      throw this.#refuse(`thinking.type '${String(type)}'`);
    return !(this.#model.switchable && type === 'disabled');
  }

  #checkSampling(): void {
    const reader = this.#reader;
    reader.number('temperature', (value) => value >= 0 && value <= 2, 'temperature must be in [0, 2]');
    reader.number('top_p', (value) => value >= 0 && value <= 1, 'top_p must be in [0, 1]');
    reader.integer('n', 1, 1, 'n must be 1');
  }

  /** Images only where the model sees; every tool result answers a call of the turn before it. */
  #checkMessages(messages: readonly WireMessage[]): void {
    let open = new Set<unknown>();
    for (const message of messages) {
      if (!this.#model.vision && imagesOf(message.content) > 0)
        throw this.#refuse('model does not support image input');
      if (message.role === 'assistant') open = new Set(toolCallsOf(message).map((call) => call.id));
      else if (message.role !== 'tool') open = new Set();
      else if (open.size === 0) throw this.#refuse('tool call result does not follow tool call');
      else if (!open.has(message.tool_call_id))
        throw this.#refuse(`tool result's tool id(${String(message.tool_call_id)}) not found`);
    }
  }
}

/**
 * Checks a chat request as MiniMax does.
 * @throws Refusal
 */
export const readMiniMaxChat = (body: Record<string, unknown>, context: ErrorContext): Ask =>
  new MiniMaxChatReader(body, context).read();
