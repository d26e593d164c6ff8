import type { Frame } from '../dialects/dialect.js';
import type { InjectedFault } from '../domain/injected-fault.js';
import { breakConnection } from './break-connection.js';
import type { Pacer } from './pacer.js';
import type { ServedCall } from './served-call.js';

/** What a body is and what shall go wrong with it. */
export interface BodyPlan {
  readonly frames: Iterator<Frame>;
  readonly status: number;
  readonly pacer: Pacer;
  readonly fault: InjectedFault | undefined;
  /** Sent every `keepAliveMs` while nothing else is. */
  readonly keepAlive: string;
  readonly keepAliveMs: number | undefined;
  readonly framesPerWrite: number | undefined;
  /** Frames of the provider's own failure, after what was sent. */
  failure(code: string | undefined): Iterator<Frame>;
}

const BATCH_CHARS = 16_384;
const GARBAGE = 'data: {"choices":[{"delta":{"content":"\n\n';

/**
 * Writes a body frame by frame: paced, with back-pressure, at most 16 KiB ahead of the socket, and with the one fault
 * that was asked for. Frames are counted and the end is logged before the bytes go out.
 */
export class BodyPump {
  #frames: Iterator<Frame>;
  #pending: Frame | undefined;
  #batch = '';
  #batched = 0;
  #writing = false;
  #fault: InjectedFault | undefined;
  #failed: string | undefined;

  constructor(
    private readonly call: ServedCall,
    private readonly plan: BodyPlan,
  ) {
    this.#frames = plan.frames;
    this.#fault = plan.fault;
  }

  start(): void {
    if (this.plan.keepAliveMs !== undefined) this.call.after(this.plan.keepAliveMs, this.#keepAlive);
    this.#advance();
  }

  readonly #advance = (): void => {
    while (!this.call.closed) {
      const frame = (this.#pending ??= this.#frames.next().value as Frame | undefined);
      if (frame === undefined) {
        this.call.response.destroy();
        return;
      }
      if (this.#faultIsDue(frame)) return this.#flush(false, this.#breakAtChunk);
      const waitMs = this.plan.pacer.waitMs(frame);
      if (waitMs > 0) return this.#flush(false, () => this.call.after(waitMs, this.#advance));
      if (this.#cutsInside(frame)) return;
      this.#pending = undefined;
      this.call.count(frame);
      this.#batch += frame.text;
      this.#batched += 1;
      if (frame.last === true) return this.#flush(true, () => undefined);
      if (this.#batchIsFull()) return this.#flush(false, this.#advance);
    }
  };

  #batchIsFull(): boolean {
    const { framesPerWrite } = this.plan;
    if (this.#fault?.kind === 'cut' || this.#fault?.kind === 'stall') return true;
    return framesPerWrite === undefined ? this.#batch.length >= BATCH_CHARS : this.#batched >= framesPerWrite;
  }

  /** Writes what has gathered, then goes on. The last bytes end the call. */
  #flush(last: boolean, then: () => void): void {
    const bytes = Buffer.from(this.#batch);
    this.#batch = '';
    this.#batched = 0;
    this.#write(bytes, last, then);
  }

  #write(bytes: Buffer, last: boolean, then: () => void): void {
    const { response } = this.call;
    const slices = this.plan.pacer.slices;
    const now = slices === undefined ? bytes : bytes.subarray(0, slices.bytes);
    const rest = bytes.subarray(now.length);
    this.call.delivered.bytes += now.length;
    if (rest.length === 0 && last) {
      this.#end();
      response.end(now);
      return;
    }
    if (now.length === 0) return then();
    this.#writing = true;
    this.call.beforeBytes();
    const room = response.write(now);
    const next = (): void => {
      this.#writing = false;
      if (rest.length > 0) this.#write(rest, last, then);
      else then();
    };
    if (slices !== undefined) this.call.after(slices.pauseMs, next);
    else if (!room) response.once('drain', next);
    else if (this.plan.framesPerWrite !== undefined) setImmediate(next);
    else next();
  }

  #end(): void {
    if (this.plan.fault?.kind === 'flood') this.call.cut();
    else if (this.#failed === undefined) this.call.end('completed', this.plan.status);
    else this.call.end('error', this.plan.status, this.#failed);
  }

  /** A point given in chunks is reached before the frame that would be one too many. */
  #faultIsDue(frame: Frame): boolean {
    const fault = this.#fault;
    if (fault === undefined || !('at' in fault) || fault.at.unit !== 'chunks') return false;
    const { after } = fault.at;
    return this.call.delivered.chunks >= after && (after > 0 || frame.tokens > 0 || frame.last === true);
  }

  readonly #breakAtChunk = (): void => {
    const fault = this.#fault;
    this.#fault = undefined;
    if (fault?.kind === 'cut') this.#cut(fault.way);
    else if (fault?.kind === 'stream_error') this.#fail(fault.code);
    else if (fault?.kind === 'garbage') this.#write(Buffer.from(GARBAGE), false, this.#advance);
    // A stall does nothing: the call ends when the caller goes.
  };

  /** A point given in bytes may lie inside a frame, which then does not count. */
  #cutsInside(frame: Frame): boolean {
    const fault = this.#fault;
    if ((fault?.kind !== 'cut' && fault?.kind !== 'stall') || fault.at.unit !== 'bytes') return false;
    const bytes = Buffer.from(frame.text);
    const left = fault.at.after - this.call.delivered.bytes;
    if (bytes.length <= left && frame.last !== true) return false;
    if (bytes.length < left) return false;
    this.#write(bytes.subarray(0, Math.max(0, left)), false, this.#breakAtChunk);
    return true;
  }

  #cut(way: Parameters<typeof breakConnection>[1]): void {
    this.call.response.flushHeaders();
    this.call.cut();
    breakConnection(this.call, way);
  }

  #fail(code: string | undefined): void {
    this.#failed = code ?? 'stream_error';
    this.#frames = this.plan.failure(code);
    this.#pending = undefined;
    this.#advance();
  }

  readonly #keepAlive = (): void => {
    if (!this.#writing && !this.call.response.writableEnded) {
      this.call.delivered.bytes += this.plan.keepAlive.length;
      this.call.response.write(this.plan.keepAlive);
    }
    this.call.after(this.plan.keepAliveMs!, this.#keepAlive);
  };
}
