import type { ErrorContext, Generation } from '../dialects/dialect.js';
import { planAnswers } from '../domain/answer.js';
import type { Behaviour } from '../domain/behaviour.js';
import { conversationSeed, type WireMessage } from '../domain/message.js';
import { sendStream, sendWhole } from './answer-call.js';
import type { ServedCall } from './served-call.js';

const monotonicNs = (): string => `${process.hrtime.bigint()} `;

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
  const { answers, tokens } = planAnswers(ask, messages, behaviour, seed);
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
  sendWhole(call, behaviour, text, {
    tokens: tokens.completion,
    reasoningTokens: tokens.reasoning,
    chars: answers.reduce((sum, answer) => sum + [...answer.reasoning, ...answer.content].join('').length, 0),
    ...(finish !== null && { finish }),
    ...(usage !== undefined && { usage }),
  });
};
