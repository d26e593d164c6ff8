import type {
  Exchange,
  ExchangeReply,
  ReplySink,
  ReplyStream,
  Served,
  ReportedUsage,
} from '@tunan/contracts';
import type { Fault } from '@tunan/kernel';
import {
  ChunkEncoder,
  TokenMeter,
  type AnswerIdentity,
  type ChatAnswer,
  type ChatDelta,
  type FinishReason,
  type Logprobs,
} from '@tunan/llm';
import type { Judge } from '../domain/answer-check.js';
import type { EncodedChat } from '../domain/encode-chat.js';
import { providerFault } from '../domain/vendor-error.js';
import { clientClosed } from './upstream-call.js';

/** A whole answer that may still be rejected. */
interface Draft {
  readonly answer: ChatAnswer;
}

/** Answers that are asked for: a model that fails twice at a form fails at it. Those before the last are our cost. */
const TRIES_MAX = 2;

/**
 * Sends a call until its answer is in the form that was asked for.
 * @param encode makes the call again, telling the model why its answer was rejected
 * @throws Fault `structured_output_failed` if no answer was; whatever `send` throws
 */
export const untilAccepted = async <Answered extends Draft>(
  provider: string,
  first: EncodedChat,
  encode: (problem: string) => EncodedChat,
  send: (encoded: EncodedChat) => Promise<Answered>,
  judge: Judge,
): Promise<Answered> => {
  let encoded = first;
  for (let tries = 1; ; tries += 1) {
    const draft = await send(encoded);
    const checked = (await encoded.check?.(draft.answer, judge)) ?? draft;
    if ('answer' in checked) return { ...draft, answer: checked.answer };
    if (tries === TRIES_MAX)
      throw providerFault(
        'structured_output_failed',
        `${provider}: ${TRIES_MAX} answers, last: ${checked.problem}`,
      );
    encoded = encode(checked.problem);
  }
};

/** What a streamed call says, kept instead of shown. */
export class AnswerCollector {
  readonly pieces: ChatDelta[] = [];
  finishReason: FinishReason = 'stop';

  /** The pieces as one answer. */
  get answer(): ChatAnswer {
    const text = (member: 'content' | 'reasoning' | 'refusal'): string =>
      this.pieces.map((piece) => piece[member]).join('');
    const calls: { id: string; name: string; arguments: string }[] = [];
    for (const { toolCalls } of this.pieces)
      for (const { index, id, name, arguments: piece } of toolCalls) {
        const call = (calls[index] ??= { id: id ?? '', name: name ?? '', arguments: '' });
        call.arguments += piece;
      }
    return {
      content: text('content'),
      reasoning: text('reasoning'),
      refusal: text('refusal'),
      toolCalls: calls,
      logprobs: this.#logprobs,
      finishReason: this.finishReason,
    };
  }

  get #logprobs(): Logprobs | null {
    const given = this.pieces.map((piece) => piece.logprobs).filter((one) => one !== null);
    if (given.length === 0) return null;
    const joined = (member: keyof Logprobs): readonly unknown[] | null =>
      given.every((one) => one[member] === null) ? null : given.flatMap((one) => one[member] ?? []);
    return { content: joined('content'), refusal: joined('refusal') };
  }
}

/** A streamed answer that is whole. */
export interface CollectedAnswer extends Draft {
  readonly pieces: readonly ChatDelta[];
  readonly usage: ReportedUsage | null;
  /** The usage chunk. */
  readonly usageFrame: Buffer;
}

/** What a stream reported of its usage: null, and no chunk, if it reported nothing. */
type Reported = Pick<CollectedAnswer, 'usage' | 'usageFrame'>;

/** The client left before its answer could be judged. What the provider reported is charged all the same. */
export class LeftUnjudged extends Error {
  constructor(readonly reported: Reported) {
    super('the client left');
  }
}

/**
 * Waits for the end of a stream whose content goes to a collector.
 * @throws Fault if the stream fails; LeftUnjudged if the client left
 */
export const collected = (body: ReplyStream, collector: AnswerCollector): Promise<CollectedAnswer> =>
  new Promise((resolve, reject) => {
    let reported: Reported = { usage: null, usageFrame: Buffer.alloc(0) };
    body.start({
      frames: () => true,
      usage: (usage, usageFrame) => void (reported = { usage, usageFrame }),
      end: () => resolve({ ...reported, answer: collector.answer, pieces: collector.pieces }),
      fail: (fault: Fault) => reject(fault.code === 'client_closed' ? new LeftUnjudged(reported) : fault),
    });
  });

/** A stream without content for a client that left: it says who served it and what that reported. */
export const unjudged = (served: Served, { usage, usageFrame }: Reported): ExchangeReply => {
  const body = {
    start: (sink: ReplySink): void => {
      if (usage !== null) sink.usage(usage, usageFrame);
      sink.fail(clientClosed());
    },
    resume: () => undefined,
  };
  return { kind: 'stream', served, body };
};

/** The accepted answer as the stream that the client asked for. */
export const replay = (
  exchange: Exchange,
  served: Served,
  identity: AnswerIdentity,
  choice: number,
  accepted: CollectedAnswer,
): ExchangeReply => {
  const encoder = new ChunkEncoder({ ...identity, choice, includeUsage: exchange.includeUsage });
  const meter = new TokenMeter();
  let frames = '';
  for (const piece of shownPieces(accepted)) {
    meter.add(piece.content);
    meter.add(piece.reasoning);
    for (const call of piece.toolCalls) meter.add(call.arguments);
    frames += encoder.delta(piece);
  }
  frames += encoder.finish(accepted.answer.finishReason);
  const body = {
    start: (sink: ReplySink): void => {
      sink.frames(Buffer.from(frames), meter.tokens);
      sink.usage(accepted.usage, accepted.usageFrame);
      sink.end();
    },
    resume: () => undefined,
  };
  return { kind: 'stream', served, body };
};

/** The pieces in which the answer came, where they are what is shown; else its content as one piece. */
const shownPieces = ({ answer, pieces }: CollectedAnswer): readonly ChatDelta[] => {
  if (answer.toolCalls.length > 0 || joined(pieces, (piece) => piece.content) === answer.content)
    return pieces;
  const withoutCalls = pieces.map((piece) => ({ ...piece, toolCalls: [] }));
  if (joined(pieces, argumentsOf) === answer.content)
    return withoutCalls
      .map((piece, index) => ({ ...piece, content: argumentsOf(pieces[index]!) }))
      .filter((piece) => piece.content !== '' || piece.reasoning !== '');
  return [
    ...withoutCalls.map((piece) => ({ ...piece, content: '' })).filter((piece) => piece.reasoning !== ''),
    { content: answer.content, reasoning: '', refusal: '', toolCalls: [], logprobs: null },
  ];
};

const argumentsOf = (piece: ChatDelta): string => piece.toolCalls.map((call) => call.arguments).join('');
const joined = (pieces: readonly ChatDelta[], text: (piece: ChatDelta) => string): string =>
  pieces.map(text).join('');
