import type { Answer } from '../../domain/answer.js';
import type { Step } from '../../domain/steps.js';
import type { TokenCount } from '../../domain/usage.js';
import { reportedUsage, stepsOf, type Frame, type Generation, type WholeBody } from '../dialect.js';
import { closing, DONE, plainFrame, sse, stepFrame } from '../sse.js';
import { baseResp, SENSITIVE } from './minimax-errors.js';
import { MINIMAX_MODELS, type MiniMaxModel } from './minimax-models.js';

const NAME = 'MiniMax AI';
const SUCCESS = { status_code: 0, status_msg: '' };

const usageOf = (tokens: TokenCount): Record<string, unknown> => ({
  total_tokens: tokens.prompt + tokens.completion,
  total_characters: 0,
  prompt_tokens: tokens.prompt,
  completion_tokens: tokens.completion,
  completion_tokens_details: { reasoning_tokens: tokens.reasoning },
  prompt_tokens_details: { cached_tokens: tokens.cached },
});

const hexId = (requestId: string): string => requestId.replaceAll('-', '');

const callId = (requestId: string, index: number): string =>
  `call_function_${hexId(requestId).slice(-12)}_${index + 1}`;

const details = (text: string): unknown => [
  { type: 'reasoning.text', id: 'reasoning-text-1', format: 'MiniMax-response-v1', index: 0, text },
];

const messageOf = ({ ask, requestId }: Generation, answer: Answer): Record<string, unknown> => {
  const reasoning = answer.reasoning.join('');
  const content = answer.content.join('');
  const inTags = ask.thinking && ask.thinkingInContent;
  return {
    content: inTags ? `<think>\n${reasoning}\n</think>\n\n${content}` : content,
    role: 'assistant',
    name: NAME,
    audio_content: '',
    ...(ask.thinking && !inTags && { reasoning_content: reasoning, reasoning_details: details(reasoning) }),
    ...(answer.toolCalls.length > 0 && {
      tool_calls: answer.toolCalls.map((call, index) => ({
        id: callId(requestId, index),
        type: 'function',
        function: { name: call.name, arguments: call.fragments.join('') },
        index,
      })),
    }),
  };
};

/** The JSON answer; also the last frame of a stream for which no usage was asked. */
export const minimaxBody = (generation: Generation): WholeBody => {
  const { requestId, createdS, ask } = generation;
  const usage = reportedUsage(generation, usageOf);
  const choices = generation.answers.map((answer, index) => ({
    ...(answer.finish !== null && { finish_reason: answer.finish }),
    index,
    message: messageOf(generation, answer),
  }));
  const head = {
    id: hexId(requestId),
    choices,
    created: createdS,
    model: ask.model,
    object: 'chat.completion',
  };
  const tail = { ...SENSITIVE, base_resp: SUCCESS };
  const usageMember = usage === undefined ? '' : `"usage":${usage},`;
  return {
    text: `${JSON.stringify(head).slice(0, -1)},${usageMember}${JSON.stringify(tail).slice(1)}`,
    usage,
  };
};

class ChunkWriter {
  readonly #model: MiniMaxModel;
  readonly #head: string;
  readonly #tail: string;
  #first = true;

  constructor(private readonly generation: Generation) {
    const { requestId, createdS, ask } = generation;
    this.#model = MINIMAX_MODELS[ask.model]!;
    this.#head = `data: {"id":"${hexId(requestId)}","choices":[`;
    const usage = ask.includeUsage ? 'null' : '{"total_tokens":0,"total_characters":0}';
    this.#tail = `],"created":${createdS},"model":"${ask.model}","object":"chat.completion.chunk","usage":${usage},${JSON.stringify(SENSITIVE).slice(1)}\n\n`;
  }

  /** A chunk with some members of the delta, the role and name that every delta has, and the finish reason if any. */
  chunk(members: string, finish?: string): string {
    const role = this.#first ? 'assistant' : this.#model.laterRole;
    this.#first = false;
    const reason = finish === undefined ? '' : `"finish_reason":${JSON.stringify(finish)},`;
    return `${this.#head}{${reason}"index":0,"delta":{${members},"role":"${role}","name":"${NAME}","audio_content":""}}${this.#tail}`;
  }

  step(step: Step, finish?: string): Frame {
    return stepFrame(this.chunk(this.#members(step), finish), step, finish);
  }

  /** Text in the content that is no output token: half a tag. */
  tag(text: string): Frame {
    return { ...plainFrame(this.chunk(`"content":${JSON.stringify(text)}`)), chars: text.length };
  }

  #members(step: Step): string {
    const text = JSON.stringify(step.text);
    if (step.kind === 'content') return `"content":${text}`;
    if (step.kind === 'reasoning')
      return this.generation.ask.thinkingInContent
        ? `"content":${text}`
        : `"reasoning_content":${text},"reasoning_details":${JSON.stringify(details(step.text))}`;
    const index = this.#model.repeatsIndex ? 0 : step.callIndex;
    // Only the first piece of a call has an id, a type and a name.
    if (!step.opens) return `"tool_calls":[{"function":{"arguments":${text}},"index":${index}}]`;
    const id = callId(this.generation.requestId, step.callIndex);
    return `"tool_calls":[{"id":"${id}","type":"function","function":{"name":${JSON.stringify(step.call.name)},"arguments":${text}},"index":${index}}]`;
  }
}

/** Chunks of the answer, except the last one, which is held back for the finish reason to ride on. */
function* output(generation: Generation, writer: ChunkWriter): Generator<Frame, Step | undefined> {
  const { ask, stamp } = generation;
  let inTags = false;
  let held: Step | undefined;
  for (const step of stepsOf(generation)) {
    if (held !== undefined) yield writer.step(held);
    held = undefined;
    const opens = ask.thinkingInContent && step.kind === 'reasoning';
    if (opens !== inTags)
      yield* (opens ? ['<thi', 'nk>\n'] : ['\n</thi', 'nk>\n\n']).map((half) => writer.tag(half));
    inTags = opens;
    // A stamped chunk must leave when it is written.
    if (stamp === undefined) held = step;
    else yield writer.step(step);
  }
  return held;
}

/**
 * The stream: role noise on every delta, text on the finish chunk; then usage in its own chunk if asked, else the
 * whole answer again as `chat.completion` with the only real usage. No `[DONE]`.
 */
export function* minimaxFrames(generation: Generation): Generator<Frame> {
  const { ask, requestId, createdS, behaviour, answers } = generation;
  const writer = new ChunkWriter(generation);
  const held = yield* output(generation, writer);
  const finish = answers[0]!.finish ?? undefined;
  if (held !== undefined) yield writer.step(held, finish);
  else if (finish !== undefined) yield plainFrame(writer.chunk('"content":""', finish), { finish });

  const usage = reportedUsage(generation, usageOf);
  const usageMember = usage === undefined ? {} : { usage };
  const usageJson = `{"id":"${hexId(requestId)}","choices":[],"created":${createdS},"model":"${ask.model}","object":"chat.completion.chunk","usage":${usage ?? 'null'},"base_resp":${JSON.stringify(SUCCESS)}}`;
  const last = ask.includeUsage
    ? plainFrame(usage === undefined ? '' : sse(usageJson), usageMember)
    : plainFrame(sse(minimaxBody(generation).text), usageMember);
  const again = behaviour.usage === 'twice' ? plainFrame(sse(usageJson), usageMember) : undefined;
  yield* closing(last, again, behaviour.done === true ? plainFrame(DONE) : undefined);
}

/** A stream that fails has a chunk without choices and a `base_resp`, and ends. */
export const minimaxFailure = ({ requestId, createdS, ask }: Generation, code = '1000'): Iterable<Frame> =>
  closing(
    plainFrame(
      sse(
        JSON.stringify({
          id: hexId(requestId),
          choices: null,
          created: createdS,
          model: ask.model,
          object: 'chat.completion.chunk',
          usage: { total_tokens: 0, total_characters: 0 },
          base_resp: baseResp(code),
        }),
      ),
    ),
  );
