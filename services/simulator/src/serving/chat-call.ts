import type { ErrorContext, Generation } from '../dialects/dialect.js';
import { completionTokens, planAnswers } from '../domain/answer.js';
import type { Ask } from '../domain/ask.js';
import type { Behaviour } from '../domain/behaviour.js';
import { conversationSeed, type WireMessage } from '../domain/message.js';
import { tokensBeforeCut } from '../domain/unary-cut.js';
import { sendStream, sendWhole } from './answer-call.js';
import type { ServedCall } from './served-call.js';

const monotonicNs = (): string => `${process.hrtime.bigint()} `;

/** The completions of a call, and when they are sent. What is cut ends as the whole would. */
const plan = (
  call: ServedCall,
  ask: Ask,
  messages: readonly WireMessage[],
  behaviour: Behaviour,
  seed: number,
) => {
  const whole = planAnswers(ask, messages, behaviour, seed);
  const cutMs = behaviour.unary_ms_max ?? call.dialect.unaryMsMax;
  if (ask.stream || cutMs === undefined) return { ...whole, pace: behaviour };
  const tokens = Math.max(...whole.answers.map(completionTokens));
  const outputMax = tokensBeforeCut(behaviour, cutMs, tokens);
  if (outputMax === undefined) return { ...whole, pace: behaviour };
  const finish = whole.answers[0]!.finish ?? 'none';
  const cut = { ...behaviour, finish, ignore_ceiling: false };
  return {
    ...planAnswers({ ...ask, outputMax: Math.min(ask.outputMax, outputMax) }, messages, cut, seed),
    pace: { ...behaviour, header_delay_ms: 0, first_delay_ms: cutMs },
  };
};

/**
 * Answers a chat request.
 * @throws Refusal as the provider would refuse it
 */
export const serveChat = (
  call: ServedCall,
  body: Record<string, unknown>,
  behaviour: Behaviour,
  context: ErrorContext,
): void => {
  const { dialect } = call;
  const ask = dialect.readChat(body, context);
  const messages = body['messages'] as readonly WireMessage[];
  const seed = conversationSeed(ask.model, messages);
  const { answers, tokens, pace } = plan(call, ask, messages, behaviour, seed);
  const generation: Generation = {
    requestId: call.requestId,
    createdS: context.createdS,
    seed,
    ask,
    answers,
    tokens,
    behaviour,
    stamp: behaviour.stamp === true ? monotonicNs : undefined,
  };
  call.answering({ tokens, finishReasons: answers.map((answer) => answer.finish) });
  if (ask.stream && behaviour.fault?.kind !== 'unary') return sendStream(call, generation);

  const { text, usage } = dialect.chatBody(generation);
  const finish = answers[0]!.finish;
  sendWhole(call, pace, text, {
    tokens: tokens.completion,
    reasoningTokens: tokens.reasoning,
    chars: answers.reduce((sum, answer) => sum + [...answer.reasoning, ...answer.content].join('').length, 0),
    ...(finish !== null && { finish }),
    ...(usage !== undefined && { usage }),
  });
};
