import type { Step } from '../../domain/steps.js';
import type { TokenCount } from '../../domain/usage.js';
import { reportedUsage, stepsOf, type Frame, type Generation, type WholeBody } from '../dialect.js';
import { closing, DONE, plainFrame, stepFrame } from '../sse.js';
import { GLM_MODELS, type GlmModel } from './glm-models.js';

const usageOf =
  (thinking: boolean) =>
  (tokens: TokenCount): Record<string, unknown> => ({
    prompt_tokens: tokens.prompt,
    completion_tokens: tokens.completion,
    total_tokens: tokens.prompt + tokens.completion,
    prompt_tokens_details: { cached_tokens: tokens.cached },
    ...(thinking && { completion_tokens_details: { reasoning_tokens: tokens.reasoning } }),
  });

/** Answers are named by the time they began and the request. */
const answerId = ({ requestId, createdS }: Generation): string =>
  new Date(createdS * 1_000).toISOString().replace(/\D/g, '').slice(0, 14) +
  requestId.replaceAll('-', '').slice(-18);

const callId = (generation: Generation, model: GlmModel, index: number): string =>
  model.toolStyle === 'finish_on_tool'
    ? `call_${answerId(generation)}_${index}`
    : `call_${generation.requestId.replaceAll('-', '').slice(-22)}${index}`;

const modelOf = (generation: Generation): GlmModel => GLM_MODELS[generation.ask.model]!;

/** The JSON answer. */
export const glmBody = (generation: Generation): WholeBody => {
  const { ask, requestId, createdS } = generation;
  const model = modelOf(generation);
  const usage = reportedUsage(generation, usageOf(ask.thinking));
  const choices = generation.answers.map((answer, index) => ({
    index,
    ...(answer.finish !== null && { finish_reason: answer.finish }),
    message: {
      role: 'assistant',
      content: answer.content.join(''),
      ...(ask.thinking && { reasoning_content: answer.reasoning.join('') }),
      ...(answer.toolCalls.length > 0 && {
        tool_calls: answer.toolCalls.map((call, at) => ({
          id: callId(generation, model, at),
          index: at,
          type: 'function',
          function: { name: call.name, arguments: call.fragments.join('') },
        })),
      }),
    },
  }));
  const head = JSON.stringify({
    id: answerId(generation),
    request_id: requestId,
    created: createdS,
    ...(model.saysObject && { object: 'chat.completion' }),
    model: ask.model,
    choices,
  });
  return { text: usage === undefined ? head : `${head.slice(0, -1)},"usage":${usage}}`, usage };
};

class ChunkWriter {
  readonly #head: string;
  readonly #model: GlmModel;

  constructor(private readonly generation: Generation) {
    const { createdS, ask } = generation;
    this.#model = modelOf(generation);
    const object = this.#model.saysObject ? '"object":"chat.completion.chunk",' : '';
    this.#head = `data: {"id":"${answerId(generation)}","created":${createdS},${object}"model":"${ask.model}","choices":[{"index":0,`;
  }

  /** A chunk; the key `finish_reason` is only there if there is one. */
  chunk(delta: string, finish?: string, usage?: string): string {
    const reason = finish === undefined ? '' : `"finish_reason":${JSON.stringify(finish)},`;
    return `${this.#head}${reason}"delta":${delta}}]${usage === undefined ? '' : `,"usage":${usage}`}}\n\n`;
  }

  /** Every delta names the role; a tool call comes whole. */
  delta(step: Step): string {
    const text = JSON.stringify(step.text);
    if (step.kind === 'reasoning') return `{"role":"assistant","reasoning_content":${text}}`;
    if (step.kind === 'content') return `{"role":"assistant","content":${text}}`;
    const index = this.#model.toolStyle === 'index_minus_one' ? -1 : step.callIndex;
    const id = callId(this.generation, this.#model, step.callIndex);
    return `{"role":"assistant","tool_calls":[{"id":"${id}","index":${index},"type":"function","function":{"name":${JSON.stringify(step.call.name)},"arguments":${text}}}]}`;
  }
}

const EMPTY_DELTA = '{"role":"assistant","content":""}';

/** The stream: role on every delta, usage and finish reason on the last chunk, `[DONE]`. */
export function* glmFrames(generation: Generation): Generator<Frame> {
  const { ask, behaviour } = generation;
  const { finish, toolCalls } = generation.answers[0]!;
  const style = modelOf(generation).toolStyle;
  const writer = new ChunkWriter(generation);
  const usage = reportedUsage(generation, usageOf(ask.thinking));
  const usageMember = usage === undefined ? {} : { usage };
  const done = plainFrame((behaviour.done ?? true) ? DONE : '');
  const again =
    behaviour.usage === 'twice'
      ? plainFrame(writer.chunk(EMPTY_DELTA, undefined, usage), usageMember)
      : undefined;
  const early = finish === 'tool_calls' && style !== 'plain';

  for (const step of stepsOf(generation, true)) {
    const lastCall = early && step.kind === 'tool' && step.callIndex === toolCalls.length - 1;
    if (lastCall && style === 'finish_on_tool') {
      yield { ...stepFrame(writer.chunk(writer.delta(step), finish, usage), step, finish), ...usageMember };
      yield* closing(again, done);
      return;
    }
    if (lastCall) yield stepFrame(writer.chunk(writer.delta(step), finish), step, finish);
    else yield stepFrame(writer.chunk(writer.delta(step)), step);
  }
  const end =
    finish === null
      ? undefined
      : plainFrame(writer.chunk(EMPTY_DELTA, finish, usage), { finish, ...usageMember });
  yield* closing(end, again, done);
}

/** GLM fails in a stream only by a finish reason, `network_error` unless told otherwise, and then `[DONE]`. */
export const glmFailure = (generation: Generation, code = 'network_error'): Iterable<Frame> => {
  const usage = reportedUsage(generation, usageOf(generation.ask.thinking));
  const chunk = new ChunkWriter(generation).chunk(EMPTY_DELTA, code, usage);
  return closing(
    plainFrame(chunk, { finish: code, ...(usage !== undefined && { usage }) }),
    plainFrame(DONE),
  );
};
