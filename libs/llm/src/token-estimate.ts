import type { ChatMessage, ChatRequest, ContentPart, EmbeddingsRequest } from '@tunan/contracts';

/**
 * Tokens per UTF-16 code unit of each script, in thousandths. One estimate serves every channel of a model, and where a
 * provider reports nothing it is charged: so it errs in the customer's favour, by as much as the 1.25 of a hold makes
 * good. Each figure is the highest that a provider documents, divided by 1.25.
 *
 * | script | documented, tokens per character |
 * |---|---|
 * | ASCII | DeepSeek 0.3 for English; Qwen 1 token ≈ 0.7 English word (0.25), GLM ≈ 0.75 word (0.23) |
 * | Chinese | Qwen and GLM 1 token ≈ 1.5 characters (0.67); DeepSeek 0.6, GLM's price page 1 : 1.6 (0.63) |
 * | others | nobody; ours: half a token for what UTF-8 writes in two bytes, a token for what it writes in three, two for a surrogate pair (emoji, rare ideographs) |
 */
export const MILLITOKENS = {
  ascii: 240,
  chinese: 540,
  twoByte: 500,
  threeByte: 1_000,
  surrogate: 1_000,
} as const;

/** Tokens of a message besides its text: role and separators of the chat templates. */
const MESSAGE_TOKENS = 8;
const MESSAGE_TOKENS_BOUND = 32;
/** What templates add once: opening tokens, the instructions that precede tools, our words for an emulated format. */
const TEMPLATE_TOKENS_BOUND = 1_024;
/** Below this many code units a loop is cheaper than asking for the length in UTF-8. */
const SHORT_TEXT = 48;

/** Tokens of a prompt: the figure to expect, and one that no provider's count can pass. */
export interface PromptEstimate {
  readonly likely: number;
  readonly bound: number;
}

/** What one image of a model may take; from the catalog. */
export interface ImageCosts {
  readonly imageTokens: number;
  readonly imageTokensMax: number;
}

/** Estimated thousandths of tokens of a text. Additive: cutting a text anywhere does not change the sum. */
export const millitokensOf = (text: string): number => {
  if (text.length >= SHORT_TEXT && Buffer.byteLength(text) === text.length)
    return text.length * MILLITOKENS.ascii;
  return scan(text);
};

/** Estimated tokens of a text, rounded up. */
export const estimateTokens = (text: string): number => Math.ceil(millitokensOf(text) / 1_000);

/** Ideographs, their punctuation and full-width forms; kana stands among them and is counted alike. */
const CHINESE_RANGES = [
  [0x3000, 0x30ff],
  [0x3400, 0x9fff],
  [0xf900, 0xfaff],
  [0xff00, 0xffef],
] as const;

/** Thousandths of a token per code unit: a table, because a prompt is millions of look-ups. */
const MILLITOKENS_BY_UNIT = new Uint16Array(0x1_0000)
  .fill(MILLITOKENS.threeByte)
  .fill(MILLITOKENS.ascii, 0, 0x80)
  .fill(MILLITOKENS.twoByte, 0x80, 0x800)
  .fill(MILLITOKENS.surrogate, 0xd800, 0xe000);
for (const [first, last] of CHINESE_RANGES) MILLITOKENS_BY_UNIT.fill(MILLITOKENS.chinese, first, last + 1);

const scan = (text: string): number => {
  let sum = 0;
  for (let index = 0; index < text.length; index += 1) sum += MILLITOKENS_BY_UNIT[text.charCodeAt(index)]!;
  return sum;
};

/** Counts text, messages and images of one request. */
class PromptMeter {
  #millitokens = 0;
  #bytes = 0;
  #likely = 0;
  #bound: number = TEMPLATE_TOKENS_BOUND;

  constructor(private readonly images: ImageCosts) {}

  text(text: string): void {
    const bytes = Buffer.byteLength(text);
    this.#bytes += bytes;
    this.#millitokens += bytes === text.length ? bytes * MILLITOKENS.ascii : scan(text);
  }

  json(value: unknown): void {
    if (value != null) this.text(JSON.stringify(value));
  }

  message(message: ChatMessage): void {
    this.#likely += MESSAGE_TOKENS;
    this.#bound += MESSAGE_TOKENS_BOUND;
    const { content, tool_calls: calls } = message;
    if (typeof content === 'string') this.text(content);
    else if (content != null) for (const part of content) this.#part(part);
    // Sent in place of the content.
    else if (message.refusal != null) this.text(message.refusal);
    if (message.reasoning_content != null) this.text(message.reasoning_content);
    if (message.name != null) this.text(message.name);
    if (message.tool_call_id != null) this.text(message.tool_call_id);
    if (calls != null) this.json(calls);
    // Of the time before `tool_calls`; such a message is sent on as a tool call.
    this.json((message as { readonly function_call?: unknown }).function_call);
  }

  /** An image counts by what its model makes of it, never by the length of its URL or base64. */
  #part(part: ContentPart): void {
    if (part.type === 'text') return this.text(part.text);
    if (part.type === 'refusal') return this.text(part.refusal);
    this.#likely += this.images.imageTokens;
    this.#bound += this.images.imageTokensMax;
  }

  get estimate(): PromptEstimate {
    return { likely: this.#likely + Math.ceil(this.#millitokens / 1_000), bound: this.#bound + this.#bytes };
  }
}

/**
 * Tokens of a chat prompt for one completion. `likely` counts text by script, 8 tokens per message, the JSON of tools
 * and schemas, and each image as its model does. `bound` rests on this: no tokenizer makes more than one token of a
 * byte of UTF-8.
 */
export const estimatePrompt = (request: ChatRequest, images: ImageCosts): PromptEstimate => {
  const meter = new PromptMeter(images);
  for (const message of request.messages) meter.message(message);
  meter.json(request.tools);
  meter.json(request['functions']);
  meter.json(request.response_format?.json_schema);
  return meter.estimate;
};

/** Tokens of the inputs of an embeddings request. */
export const estimateInputs = (request: EmbeddingsRequest): PromptEstimate => {
  const meter = new PromptMeter({ imageTokens: 0, imageTokensMax: 0 });
  const inputs = typeof request.input === 'string' ? [request.input] : request.input;
  for (const input of inputs) meter.text(input);
  const { likely, bound } = meter.estimate;
  // A start and an end token per input.
  return { likely, bound: bound + 2 * inputs.length };
};

/** Adds up the estimated tokens of a text that arrives in pieces. The sum does not depend on where it is cut. */
export class TokenMeter {
  #millitokens = 0;
  #reported = 0;

  add(text: string): void {
    if (text !== '') this.#millitokens += millitokensOf(text);
  }

  /** Whole tokens so far, rounded up. */
  get tokens(): number {
    return Math.ceil(this.#millitokens / 1_000);
  }

  /** Tokens since the last call. The sum of all answers is {@link tokens}. */
  take(): number {
    const fresh = this.tokens - this.#reported;
    this.#reported += fresh;
    return fresh;
  }
}
