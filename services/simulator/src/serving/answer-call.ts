import type { Frame, Generation } from '../dialects/dialect.js';
import type { Behaviour } from '../domain/behaviour.js';
import type { InjectedFault } from '../domain/injected-fault.js';
import { hashText, RandomSequence } from '../domain/random.js';
import { BodyPump } from './body-pump.js';
import { Pacer } from './pacer.js';
import type { ServedCall } from './served-call.js';

const FLOOD_BLOCK = 'a'.repeat(65_536);
const BLOCKS_PER_MIB = 16;

/** A body that is about to be written. */
interface Body {
  readonly contentType: string;
  readonly stream: boolean;
  /** Length of the whole body, if it is announced. */
  readonly bytes: number | undefined;
  readonly frames: Iterator<Frame>;
  readonly fault: InjectedFault | undefined;
  failure(code: string | undefined): Iterator<Frame>;
}

const none: Iterator<Frame> = { next: () => ({ done: true, value: undefined }) };

/** One line that does not end; its bytes are no output. */
function* flood(mib: number, start: string): Generator<Frame> {
  const frame = { tokens: 0, reasoningTokens: 0, chars: 0 };
  yield { ...frame, text: start };
  for (let i = 0; i < mib * BLOCKS_PER_MIB; i += 1) yield { ...frame, text: FLOOD_BLOCK };
  yield { ...frame, text: '\n\n', last: true };
}

const writeBody = (call: ServedCall, behaviour: Behaviour, body: Body): void => {
  const { dialect, response } = call;
  const keepAliveMs = behaviour.keep_alive_ms;
  const whole = body.bytes !== undefined && keepAliveMs === undefined;
  const begin = (): void => {
    response.writeHead(200, {
      ...dialect.headers(call.requestId),
      'content-type': body.contentType,
      ...(body.stream && { 'cache-control': 'no-cache' }),
      ...(whole && { 'content-length': body.bytes }),
    });
    if (body.stream) {
      call.beforeBytes();
      response.flushHeaders();
    }
    new BodyPump(call, {
      frames: body.frames,
      status: 200,
      pacer: new Pacer(behaviour, call.clock, new RandomSequence(hashText(call.requestId))),
      fault: body.fault,
      keepAlive: body.stream ? ': keep-alive\n\n' : '\n',
      keepAliveMs,
      framesPerWrite: behaviour.chunks_per_write,
      failure: body.failure,
    }).start();
  };
  if (behaviour.header_delay_ms === undefined) begin();
  else call.after(behaviour.header_delay_ms, begin);
};

/** In a body of one frame a point between chunks is the middle of its bytes. */
const faultOfWhole = (fault: InjectedFault | undefined, bytes: number): InjectedFault | undefined => {
  if (fault === undefined || !('at' in fault) || fault.at.unit === 'bytes') return fault;
  if (fault.kind !== 'cut' && fault.kind !== 'stall') return undefined;
  return { ...fault, at: { unit: 'bytes', after: fault.at.after === 0 ? 0 : Math.floor(bytes / 2) } };
};

/** Sends a JSON body that carries output: a chat completion or embeddings. The call was announced before. */
export const sendWhole = (
  call: ServedCall,
  behaviour: Behaviour,
  text: string,
  output: Omit<Frame, 'text' | 'last'>,
): void => {
  const bytes = Buffer.byteLength(text);
  const { fault } = behaviour;
  const lengthIsTrue = fault?.kind !== 'flood' && !(fault?.kind === 'cut' && fault.way === 'eof');
  const frames =
    fault?.kind === 'flood'
      ? flood(fault.mib, '{"choices":"')
      : [{ ...output, text, last: true }][Symbol.iterator]();
  writeBody(call, behaviour, {
    contentType: 'application/json',
    stream: false,
    bytes: lengthIsTrue ? bytes : undefined,
    frames,
    fault: faultOfWhole(fault, bytes),
    failure: () => none,
  });
};

/** Streams a chat completion. The call was announced before. */
export const sendStream = (call: ServedCall, generation: Generation): void => {
  const { dialect } = call;
  const { fault } = generation.behaviour;
  const frames =
    fault?.kind === 'flood'
      ? flood(fault.mib, 'data: {"choices":"')
      : dialect.chatFrames(generation)[Symbol.iterator]();
  writeBody(call, generation.behaviour, {
    contentType: dialect.streamContentType,
    stream: true,
    bytes: undefined,
    frames,
    fault,
    failure: (code) =>
      dialect.streamFailure({ ...generation, tokens: call.sentTokens }, code)[Symbol.iterator](),
  });
};
