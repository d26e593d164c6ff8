import type { Step } from '../../domain/steps.js';
import type { TokenCount } from '../../domain/usage.js';
import { reportedUsage, stepsOf, type Frame, type Generation, type WholeBody } from '../dialect.js';
import { closing, DONE, plainFrame, sse, stepFrame } from '../sse.js';

const FINGERPRINT = 'fp_eaab8d114b_prod0820_fp8_kvcache';

/** Usage as DeepSeek counts: hit and miss make the prompt; details of thinking only if there was any. */
const usageOf =
  (thinking: boolean) =>
  (tokens: TokenCount): Record<string, unknown> => ({
    prompt_tokens: tokens.prompt,
    completion_tokens: tokens.completion,
    total_tokens: tokens.prompt + tokens.completion,
    prompt_tokens_details: { cached_tokens: tokens.cached },
    ...(thinking && { completion_tokens_details: { reasoning_tokens: tokens.reasoning } }),
    prompt_cache_hit_tokens: tokens.cached,
    prompt_cache_miss_tokens: tokens.prompt - tokens.cached,
  });

const callId = (requestId: string, index: number): string =>
  `call_${String(index).padStart(2, '0')}_${requestId.replaceAll('-', '').slice(-20)}`;

/** The JSON answer. */
export const deepseekBody = (generation: Generation): WholeBody => {
  const { ask, requestId, createdS } = generation;
  const usage = reportedUsage(generation, usageOf(ask.thinking));
  const choices = generation.answers.map((answer, index) => ({
    index,
    message: {
      role: 'assistant',
      content: answer.content.join(''),
      ...(ask.thinking && { reasoning_content: answer.reasoning.join('') }),
      ...(answer.toolCalls.length > 0 && {
        tool_calls: answer.toolCalls.map((call, at) => ({
          index: at,
          id: callId(requestId, at),
          type: 'function',
          function: { name: call.name, arguments: call.fragments.join('') },
        })),
      }),
    },
    logprobs:
      ask.logprobs === undefined ? null : { content: answer.content.map(probabilityOf(ask.logprobs)) },
    finish_reason: answer.finish,
  }));
  const head = JSON.stringify({
    id: requestId,
    object: 'chat.completion',
    created: createdS,
    model: ask.model,
    system_fingerprint: FINGERPRINT,
    choices,
  });
  return { text: usage === undefined ? head : `${head.slice(0, -1)},"usage":${usage}}`, usage };
};

/** A token's log probability, and as many alternatives as were asked for: the simulator is always sure. */
const probabilityOf =
  ({ alternatives }: NonNullable<Generation['ask']['logprobs']>) =>
  (token: string): Record<string, unknown> => {
    const sure = { token, logprob: 0, bytes: [...Buffer.from(token)] };
    const others = Array.from({ length: alternatives }, (_, at) =>
      at === 0 ? sure : { token: `${token}${at}`, logprob: -10 * at, bytes: null },
    );
    return { ...sure, top_logprobs: others };
  };

const logprobsOf = (step: Step, { logprobs }: Generation['ask']): string =>
  logprobs === undefined || step.kind !== 'content'
    ? 'null'
    : JSON.stringify({ content: [probabilityOf(logprobs)(step.text)] });

const chunkHead = ({ requestId, createdS, ask }: Generation): string =>
  `{"id":"${requestId}","object":"chat.completion.chunk","created":${createdS},"model":"${ask.model}",` +
  `"system_fingerprint":"${FINGERPRINT}","choices":[`;

const deltaOf = (step: Step, thinking: boolean, requestId: string): string => {
  const text = JSON.stringify(step.text);
  if (step.kind === 'reasoning') return `{"content":null,"reasoning_content":${text}}`;
  if (step.kind === 'content')
    return thinking ? `{"content":${text},"reasoning_content":null}` : `{"content":${text}}`;
  const { callIndex: index, call, opens } = step;
  if (!opens) return `{"tool_calls":[{"index":${index},"function":{"arguments":${text}}}]}`;
  const name = JSON.stringify(call.name);
  return `{"tool_calls":[{"index":${index},"id":"${callId(requestId, index)}","type":"function","function":{"name":${name},"arguments":${text}}}]}`;
};

/**
 * Where the usage goes: DeepSeek puts it on the finish chunk or into a chunk of its own, the latter only if asked;
 * the simulator does either by the seed, so that both are always met.
 */
const usageHasOwnChunk = ({ behaviour, ask, seed }: Generation): boolean =>
  behaviour.usage_at === undefined ? ask.includeUsage && seed % 2 === 1 : behaviour.usage_at === 'chunk';

function* ending(generation: Generation, finish: string | null, done: boolean): Generator<Frame> {
  const head = chunkHead(generation);
  const usage = reportedUsage(generation, usageOf(generation.ask.thinking));
  const own = usageHasOwnChunk(generation);
  const finishUsage = own ? undefined : usage;
  const usageFrame =
    usage === undefined ? undefined : plainFrame(sse(`${head}],"usage":${usage}}`), { usage });
  const finishFrame =
    finish === null
      ? undefined
      : plainFrame(
          sse(
            `${head}{"index":0,"delta":{"content":""},"logprobs":null,"finish_reason":${JSON.stringify(finish)}}],"usage":${finishUsage ?? 'null'}}`,
          ),
          { finish, ...(finishUsage !== undefined && { usage: finishUsage }) },
        );
  const twice = generation.behaviour.usage === 'twice';
  yield* closing(
    finishFrame,
    own || twice ? usageFrame : undefined,
    own && twice ? usageFrame : undefined,
    done ? plainFrame(DONE) : plainFrame(''),
  );
}

/** The stream: a comment, the role once, deltas, the finish chunk, usage, `[DONE]`. */
export function* deepseekFrames(generation: Generation): Generator<Frame> {
  const { ask, requestId, behaviour } = generation;
  const head = `data: ${chunkHead(generation)}{"index":0,"delta":`;
  const end = `,"finish_reason":null}],"usage":null}\n\n`;
  const tail = `,"logprobs":null${end}`;
  const role = ask.thinking
    ? '{"role":"assistant","content":null,"reasoning_content":""}'
    : '{"role":"assistant","content":""}';
  yield plainFrame(': keep-alive\n\n');
  yield plainFrame(head + role + tail);
  for (const step of stepsOf(generation))
    yield stepFrame(
      `${head}${deltaOf(step, ask.thinking, requestId)},"logprobs":${logprobsOf(step, ask)}${end}`,
      step,
    );
  yield* ending(generation, generation.answers[0]!.finish, behaviour.done ?? true);
}

/** DeepSeek fails in a stream only by a finish reason: `insufficient_system_resource` unless told otherwise. */
export const deepseekFailure = (
  generation: Generation,
  code = 'insufficient_system_resource',
): Iterable<Frame> => ending(generation, code, true);
