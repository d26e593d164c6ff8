import { describe, expect, it } from '@jest/globals';
import { Fault } from '@tunan/kernel';
import { END_LINE, failLine, framesHeader, FramingReader, usageHeader, type FramedEvent } from './framing.js';

const frames = Buffer.from('data: {"choices":[{"delta":{"content":"ü 漢 \\n\\n"}}]}\n\n');
const usage = { prompt: 3, cachedPrompt: 1, completion: 2, reasoning: 0 };
const usageFrame = Buffer.from('data: {"usage":{}}\n\n');

const stream = Buffer.concat([
  Buffer.from(framesHeader(frames.length, 5)),
  frames,
  Buffer.from(framesHeader(0, 0)),
  Buffer.from(usageHeader(usageFrame.length, usage)),
  usageFrame,
  Buffer.from(usageHeader(0, null)),
  Buffer.from(END_LINE),
]);

const expected: FramedEvent[] = [
  { kind: 'frames', bytes: frames, outputTokens: 5 },
  { kind: 'frames', bytes: Buffer.alloc(0), outputTokens: 0 },
  { kind: 'usage', frame: usageFrame, usage },
  { kind: 'usage', frame: Buffer.alloc(0), usage: null },
  { kind: 'end' },
];

describe('FramingReader', () => {
  it('reads the same events wherever the network cuts the bytes', () => {
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const reader = new FramingReader();
      const events = [...reader.push(stream.subarray(0, cut)), ...reader.push(stream.subarray(cut))];
      expect(events).toEqual(expected);
    }
  });

  it('reads the same events byte by byte', () => {
    const reader = new FramingReader();
    const events = [...stream].flatMap((byte) => reader.push(Buffer.from([byte])));
    expect(events).toEqual(expected);
  });

  it('carries a fault across', () => {
    const line = Buffer.from(
      failLine(new Fault('upstream_timeout', 'It took too long.', { retryAfterMs: 5 })),
    );
    expect(new FramingReader().push(line)).toMatchObject([
      {
        kind: 'fail',
        fault: { code: 'upstream_timeout', publicMessage: 'It took too long.', retryAfterMs: 5 },
      },
    ]);
  });

  it.each(['data: {}\n\n', ':f -1 2\n', ':f 99999999999 2\n', ':q 1\n'])(
    'refuses %j, which is not framed',
    (text) => {
      expect(() => new FramingReader().push(Buffer.from(text))).toThrow(Fault);
    },
  );

  it('refuses a line that never ends', () => {
    expect(() => new FramingReader().push(Buffer.alloc(70_000, 0x61))).toThrow(Fault);
  });
});
