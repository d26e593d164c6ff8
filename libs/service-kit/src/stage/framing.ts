import type { ReportedUsage } from '@tunan/contracts';
import { Fault, type FaultWire } from '@tunan/kernel';

/**
 * How a streamed body travels between two of our processes: each call of a sink is one comment line with the call's
 * facts, followed by exactly the bytes it announces. The receiver never searches for frame borders. To anything else
 * that reads server-sent events the lines are comments.
 *
 *   :f <bytes> <outputTokens>\n<frames>     frames
 *   :u <bytes> <usage as JSON>\n<frame>     usage
 *   :e\n                                    end
 *   :x <fault as JSON>\n                    fail
 */
export type FramedEvent =
  | { readonly kind: 'frames'; readonly bytes: Buffer; readonly outputTokens: number }
  | { readonly kind: 'usage'; readonly frame: Buffer; readonly usage: ReportedUsage | null }
  | { readonly kind: 'end' }
  | { readonly kind: 'fail'; readonly fault: Fault };

export const framesHeader = (bytes: number, outputTokens: number): string => `:f ${bytes} ${outputTokens}\n`;
export const usageHeader = (bytes: number, usage: ReportedUsage | null): string =>
  `:u ${bytes} ${JSON.stringify(usage)}\n`;
export const END_LINE = ':e\n';
export const failLine = (fault: Fault): string => `:x ${JSON.stringify(fault.toWire())}\n`;

const LINE_BYTES_MAX = 64 * 1024;
const FRAME_BYTES_MAX = 32 * 1024 * 1024;
const NEWLINE = 0x0a;

/** Reads framed bytes, cut anywhere, back into events. One per stream. */
export class FramingReader {
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes that must be there before trying again is worth it. */
  #needed = 1;

  /**
   * Takes the next bytes and returns the events that they complete.
   * @throws Fault `upstream_stream_cut` if the bytes are not framed, or a line or frame is too long
   */
  push(chunk: Buffer): FramedEvent[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const events: FramedEvent[] = [];
    let position = 0;
    this.#rest = bytes;
    if (bytes.length < this.#needed) return events;
    for (;;) {
      const lineEnd = bytes.indexOf(NEWLINE, position);
      if (lineEnd === -1) {
        if (bytes.length - position > LINE_BYTES_MAX) throw broken('line too long');
        this.#needed = 1;
        break;
      }
      const line = bytes.toString('utf8', position, lineEnd);
      const length = announcedBytes(line);
      const end = lineEnd + 1 + length;
      if (end > bytes.length) {
        this.#needed = end - position;
        break;
      }
      events.push(toEvent(line, bytes.subarray(lineEnd + 1, end)));
      position = end;
    }
    this.#rest = bytes.subarray(position);
    return events;
  }
}

const broken = (internal: string): Fault =>
  new Fault('upstream_stream_cut', 'The answer was cut off.', { internal: `framing: ${internal}` });

const announcedBytes = (line: string): number => {
  if (line[1] !== 'f' && line[1] !== 'u') return 0;
  const length = Number(line.slice(3, line.indexOf(' ', 3)));
  if (!Number.isSafeInteger(length) || length < 0 || length > FRAME_BYTES_MAX)
    throw broken(line.slice(0, 80));
  return length;
};

const toEvent = (line: string, bytes: Buffer): FramedEvent => {
  const facts = line.slice(line.indexOf(' ', 3) + 1);
  switch (line.slice(0, 2)) {
    case ':f':
      return { kind: 'frames', bytes, outputTokens: Number(facts) };
    case ':u':
      return { kind: 'usage', frame: bytes, usage: JSON.parse(facts) as ReportedUsage | null };
    case ':e':
      return { kind: 'end' };
    case ':x':
      return { kind: 'fail', fault: Fault.fromWire(JSON.parse(line.slice(3)) as FaultWire) };
    default:
      throw broken(line.slice(0, 80));
  }
};
