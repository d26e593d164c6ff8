import type { ChatAnswer } from '@tunan/llm';

/** An answer as the client gets it, or what is wrong with it. */
export type Checked = { readonly answer: ChatAnswer } | { readonly problem: string };

/**
 * What an answer must be, whoever sees to it: a provider's own JSON mode answers with nothing at times. Bound to one
 * request; also brings the answer into the form that was asked for.
 */
export type AnswerCheck = (answer: ChatAnswer, judge: Judge) => Checked | Promise<Checked>;

type Schema = Readonly<Record<string, unknown>>;

/** What is wrong with a text by a schema, in one line; undefined if it fits. */
export type Judge = (schema: Schema, text: string) => Promise<string | undefined>;

/** An answer that was cut off, filtered or refused is not what was asked for, and says so itself. */
const isIncomplete = ({ finishReason, refusal }: ChatAnswer): boolean =>
  finishReason === 'length' || finishReason === 'content_filter' || refusal !== '';

/** Models put JSON between the marks of a code block, whatever they are told. */
const FENCED = /^\s*```(?:json)?\s*\n([\s\S]*?)\n?\s*```\s*$/i;

/** The content must be JSON, and fit the schema if there is one. With tool calls there is no content to judge. */
export const jsonContent =
  (schema: Schema | undefined): AnswerCheck =>
  async (answer, judge) => {
    if (isIncomplete(answer) || answer.toolCalls.length > 0) return { answer };
    const content = FENCED.exec(answer.content)?.[1] ?? answer.content;
    const problem = schema === undefined ? jsonProblem(content) : await judge(schema, content);
    if (problem !== undefined) return { problem };
    return { answer: content === answer.content ? answer : { ...answer, content } };
  };

/** The content is what the forced function was called with. */
export const contentFromCall =
  (schema: Schema): AnswerCheck =>
  async (answer, judge) => {
    const content = answer.toolCalls[0]?.arguments ?? answer.content;
    const shown: ChatAnswer = {
      ...answer,
      content,
      toolCalls: [],
      finishReason: answer.finishReason === 'tool_calls' ? 'stop' : answer.finishReason,
    };
    if (answer.toolCalls.length === 0) return jsonContent(schema)(shown, judge);
    if (isIncomplete(shown)) return { answer: shown };
    const problem = await judge(schema, content);
    return problem === undefined ? { answer: shown } : { problem };
  };

/** One of these functions must be called. */
export const callOf =
  (names: readonly string[]): AnswerCheck =>
  (answer) =>
    isIncomplete(answer) || answer.toolCalls.some(({ name }) => names.includes(name))
      ? { answer }
      : { problem: `no call of ${names.join(' or ')}` };

/**
 * The same check where the client has stop sequences: an answer that ends with reason `stop` may have met one of them, which
 * no provider tells apart. What it is then is the client's doing, and is shown as it is.
 */
export const unlessStopped =
  (check: AnswerCheck): AnswerCheck =>
  async (answer, judge) => {
    const checked = await check(answer, judge);
    return 'problem' in checked && answer.finishReason === 'stop' ? { answer } : checked;
  };

const jsonProblem = (text: string): string | undefined => {
  try {
    JSON.parse(text);
    return undefined;
  } catch {
    return 'it is not JSON';
  }
};
