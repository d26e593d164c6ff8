import type { Usage } from '@tunan/contracts';
import {
  shownFinishReason,
  usageMember,
  type AnswerIdentity,
  type AnsweredToolCall,
  type ChatAnswer,
} from './chat.js';

/** A unary chat answer, one choice per completion. The JSON ends with `"usage":{…}}`. */
export const encodeAnswer = (
  identity: AnswerIdentity,
  completions: readonly ChatAnswer[],
  usage: Usage,
): Buffer => {
  // Written by hand: this runs on every request, and only texts need escaping.
  const { functionCall = false } = identity;
  let choices = choice(completions[0]!, 0, functionCall);
  for (let index = 1; index < completions.length; index += 1)
    choices += `,${choice(completions[index]!, index, functionCall)}`;
  return Buffer.from(
    `{"id":${JSON.stringify(identity.id)},"object":"chat.completion","created":${identity.created},` +
      `"model":${JSON.stringify(identity.model)},"choices":[${choices}],"usage":${usageMember(usage)}}`,
  );
};

const choice = (answer: ChatAnswer, index: number, functionCall: boolean): string => {
  const { content, reasoning, refusal, toolCalls, logprobs, finishReason } = answer;
  const silent = content === '' && (toolCalls.length > 0 || refusal !== '');
  let message = silent ? 'null' : JSON.stringify(content);
  if (reasoning !== '') message += `,"reasoning_content":${JSON.stringify(reasoning)}`;
  message += `,"refusal":${refusal === '' ? 'null' : JSON.stringify(refusal)}`;
  if (toolCalls.length > 0)
    message += functionCall
      ? `,"function_call":${JSON.stringify(toolCall(toolCalls[0]!).function)}`
      : `,"tool_calls":${JSON.stringify(toolCalls.map(toolCall))}`;
  return (
    `{"index":${index},"message":{"role":"assistant","content":${message}},` +
    `"logprobs":${logprobs === null ? 'null' : JSON.stringify(logprobs)},"finish_reason":"${shownFinishReason(finishReason, functionCall)}"}`
  );
};

const toolCall = (call: AnsweredToolCall) => ({
  id: call.id,
  type: 'function',
  function: { name: call.name, arguments: call.arguments },
});

/** How vectors are written: numbers, or base64 of little-endian float32 as the official SDKs ask for by default. */
export type VectorFormat = 'float' | 'base64';

/**
 * A piece of an embeddings answer: the vectors of consecutive inputs. Pieces in the order of their inputs, followed by
 * {@link endEmbeddings}, are the answer; each can be made when its vectors come, so that none takes long.
 * @param first index of the first input
 */
export const encodeVectors = (
  vectors: readonly (readonly number[])[],
  format: VectorFormat,
  first: number,
): Buffer => {
  let json = '';
  for (const [at, vector] of vectors.entries()) {
    const embedding = format === 'base64' ? `"${base64Vector(vector)}"` : JSON.stringify(vector);
    const before = first + at === 0 ? '{"object":"list","data":[' : ',';
    json += `${before}{"object":"embedding","index":${first + at},"embedding":${embedding}}`;
  }
  return Buffer.from(json);
};

/** The last piece of an embeddings answer. The JSON ends with `"usage":{…}}`. */
export const endEmbeddings = (model: string, promptTokens: number): Buffer =>
  Buffer.from(
    `],"model":${JSON.stringify(model)},"usage":{"prompt_tokens":${promptTokens},"total_tokens":${promptTokens}}}`,
  );

/** Little-endian float32 whatever the machine's byte order. */
const base64Vector = (vector: readonly number[]): string => {
  const bytes = Buffer.allocUnsafe(vector.length * 4);
  for (let index = 0; index < vector.length; index += 1) bytes.writeFloatLE(vector[index]!, index * 4);
  return bytes.toString('base64');
};
