import { z } from 'zod';
import { parseFault } from './injected-fault.js';
import { USAGE_LIES } from './usage.js';

const MAX_DELAY_MS = 3_600_000;
const MAX_TOKENS = 500_000;

const whole = (min: number, max: number) =>
  z
    .union([
      z.number(),
      z
        .string()
        .regex(/^\d{1,12}$/, 'must be a whole number')
        .transform(Number),
    ])
    .pipe(z.int().min(min).max(max));
const delayMs = () => whole(0, MAX_DELAY_MS).optional();
const flag = () =>
  z.union([z.boolean(), z.enum(['true', 'false', '']).transform((text) => text !== 'false')]).optional();
const text = (max: number) => z.string().max(max).optional();

const fault = z
  .string()
  .max(200)
  .transform((value, context) => {
    try {
      return parseFault(value);
    } catch (error) {
      context.issues.push({ code: 'custom', message: (error as Error).message, input: value });
      return z.NEVER;
    }
  });

/**
 * What a test can ask of one answer. The members are named as in a directive, because this is their wire format;
 * values may be text, as a directive has them. Unknown members are errors.
 */
const behaviour = z.strictObject({
  /** Tokens of the answer's text, without its thinking. */
  tokens: whole(0, MAX_TOKENS).optional(),
  /** Tokens of thinking, where the model thinks. */
  reasoning_tokens: whole(0, MAX_TOKENS).optional(),
  /** The answer's exact text, also beside calls of tools. */
  say: text(1_000_000),
  /** Replaces the seed that follows from model and messages. */
  seed: whole(0, 0xffff_ffff).optional(),
  /** Name of the tool to call, and how many calls, and their exact arguments. */
  tool: text(128),
  tool_calls: whole(0, 16).optional(),
  tool_arguments: text(100_000),
  /** Finish reason instead of the true one; `none` sends none. */
  finish: text(64),
  /** Tokens of the prompt instead of the count, and how many of them came from the cache. */
  prompt_tokens: whole(0, 100_000_000).optional(),
  cached_tokens: whole(0, 100_000_000).optional(),
  ignore_ceiling: flag(),
  /** Tokens per frame. */
  chunk_tokens: whole(1, 10_000).optional(),
  /** Frames per write; without it frames that need not wait share writes of up to 16 KiB. */
  chunks_per_write: whole(1, 10_000).optional(),
  /** Time before the response headers, before the first output, between chunks; and by how much the last varies. */
  header_delay_ms: delayMs(),
  first_delay_ms: delayMs(),
  chunk_delay_ms: delayMs(),
  jitter_ms: delayMs(),
  /** Sends keep-alives (comments, or blank lines before a JSON body) so often while nothing else is sent. */
  keep_alive_ms: whole(1, MAX_DELAY_MS).optional(),
  bytes_per_second: whole(1, 1_000_000_000).optional(),
  /** Time after which a JSON answer is sent as far as it is, as if that were all; instead of the provider's own. */
  unary_ms_max: delayMs(),
  /** Each chunk of text is the monotonic clock in nanoseconds instead of words. */
  stamp: flag(),
  fault: fault.optional(),
  retry_after_s: whole(0, 86_400).optional(),
  usage: z.union([z.enum(USAGE_LIES), z.record(z.string(), z.unknown())]).optional(),
  /** Where the usage of a stream goes, for a provider that does both. */
  usage_at: z.enum(['chunk', 'finish']).optional(),
  /** Whether `[DONE]` ends the stream, instead of what the provider does. */
  done: flag(),
  /** Any text: it is in every log entry of the request. */
  nonce: text(200),
});

/** What a test asks of one answer, checked. */
export type Behaviour = z.output<typeof behaviour>;
/** The same as it is written in scripts and directives. */
export type RawBehaviour = z.input<typeof behaviour>;

/** A directive or script that means nothing. */
export class BehaviourError extends Error {}

/**
 * Checks a behaviour.
 * @throws BehaviourError naming every member at fault
 */
export const readBehaviour = (raw: unknown): Behaviour => {
  const result = behaviour.safeParse(raw);
  if (result.success) return result.data;
  throw new BehaviourError(
    result.error.issues.map((issue) => `${issue.path.join('.') || 'behaviour'}: ${issue.message}`).join('; '),
  );
};
