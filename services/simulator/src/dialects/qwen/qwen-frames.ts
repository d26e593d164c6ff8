import type { Step } from '../../domain/steps.js';
import type { TokenCount } from '../../domain/usage.js';
import { reportedUsage, stepsOf, type Frame, type Generation, type WholeBody } from '../dialect.js';
import { closing, DONE, plainFrame, sse, stepFrame } from '../sse.js';
import { QWEN_MODELS } from './qwen-models.js';

const usageOf =
  (thinking: boolean) =>
  (tokens: TokenCount): Record<string, unknown> => ({
    prompt_tokens: tokens.prompt,
    completion_tokens: tokens.completion,
    total_tokens: tokens.prompt + tokens.completion,
    prompt_tokens_details: { cached_tokens: tokens.cached, text_tokens: tokens.prompt },
    ...(thinking && {
      completion_tokens_details: {
        reasoning_tokens: tokens.reasoning,
        text_tokens: tokens.completion - tokens.reasoning,
      },
    }),
  });

const callId = (requestId: string, choice: number, index: number): string =>
  `call_${requestId.replaceAll('-', '').slice(-20)}${choice}${index}`;

/** The JSON answer. With tool calls the content is an empty text. */
export const qwenBody = (generation: Generation): WholeBody => {
  const { ask, requestId, createdS } = generation;
  const usage = reportedUsage(generation, usageOf(ask.thinking));
  const choices = generation.answers.map((answer, index) => ({
    message: {
      role: 'assistant',
      content: answer.content.join(''),
      ...(ask.thinking && { reasoning_content: answer.reasoning.join('') }),
      ...(answer.toolCalls.length > 0 && {
        tool_calls: answer.toolCalls.map((call, at) => ({
          index: at,
          id: callId(requestId, index, at),
          type: 'function',
          function: { name: call.name, arguments: call.fragments.join('') },
        })),
      }),
    },
    finish_reason: answer.finish,
    index,
    logprobs: null,
  }));
  const head = JSON.stringify({ choices, object: 'chat.completion' }).slice(0, -1);
  const tail = JSON.stringify({
    created: createdS,
    system_fingerprint: null,
    model: ask.model,
    id: `chatcmpl-${requestId}`,
  });
  return { text: `${head},${usage === undefined ? '' : `"usage":${usage},`}${tail.slice(1)}`, usage };
};

/** Writes deltas: the members that hold something, and for some models all others as null. */
class DeltaWriter {
  readonly #nulls: string;

  constructor(private readonly generation: Generation) {
    const nulls = QWEN_MODELS[generation.ask.model]?.explicitNulls === true;
    this.#nulls = nulls ? ',"function_call":null,"refusal":null,"role":null' : '';
  }

  first(): string {
    return this.generation.ask.thinking
      ? '{"content":null,"reasoning_content":"","role":"assistant"}'
      : '{"content":"","role":"assistant"}';
  }

  of(step: Step): string {
    const text = JSON.stringify(step.text);
    const noCalls = this.#nulls === '' ? '' : `,"tool_calls":null${this.#nulls}`;
    if (step.kind === 'reasoning') return `{"content":null,"reasoning_content":${text}${noCalls}}`;
    if (step.kind === 'content')
      return `{"content":${text}${this.generation.ask.thinking ? ',"reasoning_content":null' : ''}${noCalls}}`;
    const { callIndex: index, opens, call } = step;
    // Later pieces of a call carry an empty id, and with some models an empty name.
    const id = opens ? callId(this.generation.requestId, step.choice, index) : '';
    const name = opens ? `"name":${JSON.stringify(call.name)},` : this.#nulls === '' ? '' : '"name":"",';
    return `{"tool_calls":[{"index":${index},"id":"${id}","type":"function","function":{${name}"arguments":${text}}}],"content":"","reasoning_content":""${this.#nulls}}`;
  }
}

/** The stream: role first and then null or absent, a finish chunk per completion, usage in its own chunk if asked. */
export function* qwenFrames(generation: Generation): Generator<Frame> {
  const { ask, requestId, createdS, answers, behaviour } = generation;
  const head = `data: {"model":"${ask.model}","id":"chatcmpl-${requestId}","choices":[{"delta":`;
  const chunk = (delta: string, choice: number, finish: string): string =>
    `${head}${delta},"index":${choice},"finish_reason":${finish},"logprobs":null}],"created":${createdS},"object":"chat.completion.chunk","usage":null}\n\n`;
  const deltas = new DeltaWriter(generation);
  for (const choice of answers.keys()) yield plainFrame(chunk(deltas.first(), choice, 'null'));
  for (const step of stepsOf(generation)) yield stepFrame(chunk(deltas.of(step), step.choice, 'null'), step);

  const finishes = answers.map(({ finish }, choice) =>
    finish === null
      ? undefined
      : plainFrame(chunk('{"content":""}', choice, JSON.stringify(finish)), { finish }),
  );
  const usage = ask.includeUsage ? reportedUsage(generation, usageOf(ask.thinking)) : undefined;
  const usageFrame =
    usage === undefined
      ? undefined
      : plainFrame(
          sse(
            `{"choices":[],"object":"chat.completion.chunk","usage":${usage},"created":${createdS},"system_fingerprint":null,"model":"${ask.model}","id":"chatcmpl-${requestId}"}`,
          ),
          { usage },
        );
  const again = behaviour.usage === 'twice' ? usageFrame : undefined;
  yield* closing(...finishes, usageFrame, again, plainFrame((behaviour.done ?? true) ? DONE : ''));
}

/** A stream that fails has an error in place of a chunk, and then ends without `[DONE]`. */
export const qwenFailure = (_: Generation, code = 'data_inspection_failed'): Iterable<Frame> => {
  const message =
    code === 'data_inspection_failed'
      ? 'Output data may contain inappropriate content.'
      : 'An internal error has occured.';
  return closing(plainFrame(sse(JSON.stringify({ error: { message, type: code, param: null, code } }))));
};
