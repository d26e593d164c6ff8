import type { WireMessage } from './message.js';
import { imagesOf, textOf, toolCallsOf } from './message.js';
import { countTokens } from './tokens.js';

/** Tokens of one answer. `prompt` includes `cached`, `completion` includes `reasoning`. */
export interface TokenCount {
  readonly prompt: number;
  readonly cached: number;
  readonly completion: number;
  readonly reasoning: number;
}

/** Tokens that every request costs, and every message beyond its text. */
const REQUEST_TOKENS = 3;
const MESSAGE_TOKENS = 4;
/** Tokens of one image, whatever its size. */
export const IMAGE_TOKENS = 256;

/** Prompts of this length or more are partly served from the provider's cache, in whole blocks. */
const CACHE_MIN_TOKENS = 1_024;
const CACHE_BLOCK_TOKENS = 64;

const messageTokens = (message: WireMessage): number => {
  let count =
    MESSAGE_TOKENS + countTokens(textOf(message.content)) + imagesOf(message.content) * IMAGE_TOKENS;
  if (typeof message.name === 'string') count += countTokens(message.name);
  if (typeof message.reasoning_content === 'string') count += countTokens(message.reasoning_content);
  for (const call of toolCallsOf(message)) count += countTokens(call.name) + countTokens(call.arguments);
  return count;
};

/**
 * Tokens of a prompt: 3, and for each message 4, its text, name, reasoning and tool calls and 256 per image; and the
 * JSON of tools and of a response schema.
 */
export const countPrompt = (messages: readonly WireMessage[], ...schemas: readonly unknown[]): number => {
  let count = REQUEST_TOKENS;
  for (const message of messages) count += messageTokens(message);
  for (const schema of schemas)
    if (schema !== undefined && schema !== null) count += countTokens(JSON.stringify(schema));
  return count;
};

/** How much of a prompt comes from the cache unless a behaviour says otherwise: half of it, if it is long. */
export const cachedTokens = (prompt: number): number =>
  prompt < CACHE_MIN_TOKENS ? 0 : Math.floor(prompt / 2 / CACHE_BLOCK_TOKENS) * CACHE_BLOCK_TOKENS;

/** Ways of lying about usage; an object replaces members. */
export const USAGE_LIES = [
  'negative',
  'huge',
  'missing',
  'string',
  'null',
  'nan',
  'float',
  'zero',
  'twice',
] as const;
export type UsageLie = (typeof USAGE_LIES)[number] | Readonly<Record<string, unknown>>;

const HUGE = 1_000_000_000_000;

const mapNumbers = (value: unknown, change: (number: number) => unknown): unknown => {
  if (typeof value === 'number') return change(value);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, mapNumbers(member, change)]));
};

/**
 * The usage member as JSON text, true or as the lie has it; undefined leaves it out. `nan` gives text that is not
 * JSON, on purpose.
 */
export const usageJson = (
  truth: Readonly<Record<string, unknown>>,
  lie: UsageLie | undefined,
): string | undefined => {
  if (typeof lie === 'object') return JSON.stringify({ ...truth, ...lie });
  switch (lie) {
    case 'missing':
      return undefined;
    case 'null':
      return 'null';
    case 'negative':
      return JSON.stringify(mapNumbers(truth, (number) => -Math.max(1, number)));
    case 'huge':
      return JSON.stringify(mapNumbers(truth, () => HUGE));
    case 'zero':
      return JSON.stringify(mapNumbers(truth, () => 0));
    case 'float':
      return JSON.stringify(mapNumbers(truth, (number) => number + 0.5));
    case 'string':
      return JSON.stringify(mapNumbers(truth, String));
    case 'nan':
      return JSON.stringify(mapNumbers(truth, () => 'NaN')).replaceAll('"NaN"', 'NaN');
    case 'twice':
    case undefined:
      return JSON.stringify(truth);
  }
};
