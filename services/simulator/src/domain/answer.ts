import type { Ask } from './ask.js';
import type { Behaviour } from './behaviour.js';
import { lastText, type WireMessage } from './message.js';
import { RandomSequence } from './random.js';
import { writeInstance } from './schema-instance.js';
import { statedSchema, statesJson } from './stated-schema.js';
import { countTokens, hasIdeographs, splitTokens } from './tokens.js';
import { toolsToCall } from './tool-use.js';
import { cachedTokens, type TokenCount } from './usage.js';
import { writeWords } from './words.js';

/** A call of a tool: its name costs `nameTokens`, each fragment of its arguments one token. */
export interface PlannedToolCall {
  readonly name: string;
  readonly nameTokens: number;
  readonly fragments: readonly string[];
}

/** One completion, token by token. */
export interface Answer {
  readonly reasoning: readonly string[];
  readonly content: readonly string[];
  readonly toolCalls: readonly PlannedToolCall[];
  /** As the dialect of OpenAI has it, or what a behaviour says; null is never sent. */
  readonly finish: string | null;
}

const TOKENS_LEAST = 16;
const TOKENS_SPREAD = 48;
const REASONING_LEAST = 8;
const REASONING_SPREAD = 24;
/** Tells the seeds of several completions of one call apart. */
const CHOICE_SEED_STEP = 0x9e3779b9;

/** Cuts a text, given as tokens, before the first stop sequence. */
const stopAt = (tokens: readonly string[], stop: readonly string[]): readonly string[] => {
  const text = tokens.join('');
  const ends = stop.filter((sequence) => sequence !== '').map((sequence) => text.indexOf(sequence));
  const end = Math.min(...ends.filter((index) => index !== -1));
  if (end === Infinity) return tokens;
  const kept: string[] = [];
  for (let at = 0, i = 0; at < end; i += 1) {
    kept.push(tokens[i]!.slice(0, end - at));
    at += tokens[i]!.length;
  }
  return kept;
};

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const writeContent = (
  ask: Ask,
  messages: readonly WireMessage[],
  behaviour: Behaviour,
  random: RandomSequence,
  seed: number,
): readonly string[] => {
  if (behaviour.fault?.kind === 'empty') return [];
  if (behaviour.say !== undefined) return splitTokens(behaviour.say);
  const language = hasIdeographs(lastText(messages, 'user')) ? 'chinese' : 'english';
  const count = behaviour.tokens ?? TOKENS_LEAST + (seed % TOKENS_SPREAD);
  const schema = ask.json?.schema ?? statedSchema(messages);
  if (schema !== undefined) {
    const value = writeInstance(schema, random);
    // JSON mode writes objects and nothing else, whatever the prompt asks for.
    const objectOnly = ask.json !== undefined && ask.json.schema === undefined && !isObject(value);
    return splitTokens(JSON.stringify(objectOnly ? { answer: value } : value));
  }
  if (ask.json === undefined && !statesJson(messages)) return writeWords(random, count, language);
  return splitTokens(
    JSON.stringify({ answer: writeWords(random, Math.max(1, count - 4), language).join('') }),
  );
};

const writeToolCalls = (
  ask: Ask,
  messages: readonly WireMessage[],
  behaviour: Behaviour,
  random: RandomSequence,
): readonly PlannedToolCall[] =>
  toolsToCall(ask, messages, behaviour).map((tool) => ({
    name: tool.name,
    nameTokens: countTokens(tool.name),
    fragments: splitTokens(
      behaviour.tool_arguments ??
        JSON.stringify(writeInstance({ type: 'object', ...tool.parameters }, random)),
    ),
  }));

/** Keeps what fits into a number of tokens, in the order in which it is written. */
const truncate = (
  whole: Omit<Answer, 'finish'>,
  ask: Ask,
): { kept: Omit<Answer, 'finish'>; cut: boolean } => {
  const reasoning = whole.reasoning.slice(0, ask.outputMax);
  let left = Math.min(ask.answerMax, ask.outputMax - reasoning.length);
  const content = whole.content.slice(0, left);
  left -= content.length;
  const toolCalls: PlannedToolCall[] = [];
  for (const call of whole.toolCalls) {
    if (left < call.nameTokens) break;
    left -= call.nameTokens;
    const fragments = call.fragments.slice(0, left);
    left -= fragments.length;
    toolCalls.push({ ...call, fragments });
  }
  const kept = { reasoning, content, toolCalls };
  return { kept, cut: completionTokens(kept) < completionTokens(whole) };
};

/** Tokens of one completion, thinking included. */
export const completionTokens = (answer: Omit<Answer, 'finish'>): number =>
  answer.toolCalls.reduce(
    (sum, call) => sum + call.nameTokens + call.fragments.length,
    answer.reasoning.length + answer.content.length,
  );

const planOne = (ask: Ask, messages: readonly WireMessage[], behaviour: Behaviour, seed: number): Answer => {
  const random = new RandomSequence(seed);
  const reasoningCount = Math.min(
    behaviour.reasoning_tokens ?? REASONING_LEAST + ((seed >>> 8) % REASONING_SPREAD),
    ask.reasoningMax,
  );
  const reasoning = ask.thinking ? writeWords(random, reasoningCount, 'english') : [];
  const calls = writeToolCalls(ask, messages, behaviour, random);
  const silent = calls.length > 0 && behaviour.say === undefined;
  const text = silent ? [] : writeContent(ask, messages, behaviour, random, seed);
  const content = stopAt(text, ask.stop);
  // Calls come after the text: what ends at a stop sequence has none.
  const toolCalls = content === text ? calls : [];
  const whole = { reasoning, content, toolCalls };
  const { kept, cut } =
    behaviour.ignore_ceiling === true ? { kept: whole, cut: false } : truncate(whole, ask);
  const reached = toolCalls.length > 0 ? 'tool_calls' : 'stop';
  const finish = behaviour.finish ?? (cut ? 'length' : reached);
  return { ...kept, finish: finish === 'none' ? null : finish };
};

/** All completions of a call and the tokens they truly are. The same call gets the same completions. */
export const planAnswers = (
  ask: Ask,
  messages: readonly WireMessage[],
  behaviour: Behaviour,
  seed: number,
): { readonly answers: readonly Answer[]; readonly tokens: TokenCount } => {
  const first = behaviour.seed ?? seed;
  const answers = Array.from({ length: ask.n }, (_, i) =>
    planOne(ask, messages, behaviour, (first + i * CHOICE_SEED_STEP) >>> 0),
  );
  const prompt = behaviour.prompt_tokens ?? ask.promptTokens;
  const tokens = {
    prompt,
    cached: Math.min(prompt, behaviour.cached_tokens ?? cachedTokens(prompt)),
    completion: answers.reduce((sum, answer) => sum + completionTokens(answer), 0),
    reasoning: answers.reduce((sum, answer) => sum + answer.reasoning.length, 0),
  };
  return { answers, tokens };
};
