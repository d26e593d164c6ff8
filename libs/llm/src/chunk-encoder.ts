import type { Usage } from '@tunan/contracts';
import {
  shownFinishReason,
  usageMember,
  type AnswerIdentity,
  type ChatDelta,
  type FinishReason,
  type ToolCallDelta,
} from './chat.js';

/** What is constant in one completion's stream. */
export interface ChunkEncoderOptions extends AnswerIdentity {
  /** The client asked for the usage chunk: every other chunk then has `usage: null`. */
  readonly includeUsage: boolean;
  /** Index of the completion; more than 0 only where several were asked for. */
  readonly choice: number;
}

/**
 * Writes one completion's stream as the SSE frames that an OpenAI client must see: the same id, creation time and model
 * in every chunk, the role in the first delta only, no member of any vendor. The constant parts of a chunk are made
 * once, so that a plain delta costs one `JSON.stringify` of its text.
 */
export class ChunkEncoder {
  readonly #head: string;
  readonly #delta: string;
  readonly #content: string;
  readonly #tail: string;
  readonly #usageNull: string;
  readonly #functionCall: boolean;
  #opened = false;

  constructor(options: ChunkEncoderOptions) {
    const { id, created, model, includeUsage, choice } = options;
    this.#head =
      `data: {"id":${JSON.stringify(id)},"object":"chat.completion.chunk","created":${created},` +
      `"model":${JSON.stringify(model)},"choices":[`;
    this.#delta = `${this.#head}{"index":${choice},"delta":{`;
    this.#content = `${this.#delta}"content":`;
    this.#functionCall = options.functionCall === true;
    this.#usageNull = includeUsage ? ',"usage":null' : '';
    this.#tail = `"finish_reason":null}]${this.#usageNull}}\n\n`;
  }

  /** A delta that says something. */
  delta(delta: ChatDelta): string {
    if (this.#opened && delta.toolCalls.length === 0 && delta.logprobs === null && delta.content !== '') {
      if (delta.reasoning === '' && delta.refusal === '')
        return `${this.#content}${JSON.stringify(delta.content)}},${this.#tail}`;
    }
    const logprobs = delta.logprobs === null ? '' : `"logprobs":${JSON.stringify(delta.logprobs)},`;
    return `${this.#delta}${this.#members(delta)}},${logprobs}${this.#tail}`;
  }

  /** The chunk that ends the completion, preceded by the role if nothing has been said at all. */
  finish(reason: FinishReason): string {
    const opening = this.#opened ? '' : `${this.#delta}"role":"assistant","content":""},${this.#tail}`;
    this.#opened = true;
    return `${opening}${this.#delta}},"finish_reason":"${shownFinishReason(reason, this.#functionCall)}"}]${this.#usageNull}}\n\n`;
  }

  /** The usage chunk. Its JSON ends with `"usage":{…}}`. */
  usage(usage: Usage): string {
    return `${this.#head}],"usage":${usageMember(usage)}}\n\n`;
  }

  #members(delta: ChatDelta): string {
    const members: string[] = [];
    if (!this.#opened) members.push('"role":"assistant"');
    if (delta.content !== '') members.push(`"content":${JSON.stringify(delta.content)}`);
    else if (!this.#opened) members.push('"content":null');
    this.#opened = true;
    if (delta.reasoning !== '') members.push(`"reasoning_content":${JSON.stringify(delta.reasoning)}`);
    if (delta.refusal !== '') members.push(`"refusal":${JSON.stringify(delta.refusal)}`);
    if (delta.toolCalls.length > 0) members.push(...this.#calls(delta.toolCalls));
    return members.join(',');
  }

  /** Of calls to `functions` there is one: pieces of others are left out. */
  #calls(calls: readonly ToolCallDelta[]): readonly string[] {
    if (!this.#functionCall) return [`"tool_calls":[${calls.map(toolCall).join(',')}]`];
    const pieces = calls.filter(({ index }) => index === 0);
    if (pieces.length === 0) return [];
    const { name } = pieces[0]!;
    const text = JSON.stringify(pieces.map((piece) => piece.arguments).join(''));
    return [
      `"function_call":{${name === undefined ? '' : `"name":${JSON.stringify(name)},`}"arguments":${text}}`,
    ];
  }
}

const toolCall = (call: ToolCallDelta): string => {
  const text = JSON.stringify(call.arguments);
  return call.id === undefined
    ? `{"index":${call.index},"function":{"arguments":${text}}}`
    : `{"index":${call.index},"id":${JSON.stringify(call.id)},"type":"function",` +
        `"function":{"name":${JSON.stringify(call.name ?? '')},"arguments":${text}}}`;
};
