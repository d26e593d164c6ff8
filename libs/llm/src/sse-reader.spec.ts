import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SSE_EVENT_SIZE_MAX, SseOverflow, SseReader } from './sse-reader.js';

/** Every event of a stream that arrives in these pieces. */
const read = (pieces: readonly (string | Buffer)[]): readonly string[] => {
  const seen: string[] = [];
  const reader = new SseReader((data, name) => seen.push(name === '' ? data : `${name}|${data}`));
  for (const piece of pieces) reader.push(Buffer.from(piece));
  reader.end();
  return seen;
};

const cutAt = (bytes: Buffer, ...cuts: readonly number[]): readonly Buffer[] => {
  const at = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
};

const STREAM =
  '\uFEFF: keep-alive\n\ndata: {"a":"漢字 😀"}\n\nevent: usage\r\ndata:{"b":1}\r\n\r\nid: 7\rdata: one\rdata: two\r\rretry: 5\n\ndata: [DONE]\n\n';
const EVENTS = ['{"a":"漢字 😀"}', 'usage|{"b":1}', 'one\ntwo', '[DONE]'];

describe('SseReader', () => {
  // Guarantee: what is read does not depend on where the network cuts the bytes.
  it('reads the same events wherever the bytes are cut once', () => {
    const bytes = Buffer.from(STREAM);
    for (let cut = 0; cut <= bytes.length; cut += 1) expect(read(cutAt(bytes, cut))).toEqual(EVENTS);
  });

  it('reads the same events wherever the bytes are cut, however often', () => {
    const bytes = Buffer.from(STREAM);
    const cuts = fc.array(fc.nat(bytes.length), { maxLength: 30 });
    fc.assert(fc.property(cuts, (at) => expect(read(cutAt(bytes, ...at))).toEqual(EVENTS)));
  });

  it('reads byte by byte', () => {
    expect(read([...Buffer.from(STREAM)].map((byte) => Buffer.of(byte)))).toEqual(EVENTS);
  });

  it.each([
    ['LF', 'data: a\n\ndata: b\n\n', ['a', 'b']],
    ['CRLF', 'data: a\r\n\r\ndata: b\r\n\r\n', ['a', 'b']],
    ['CR', 'data: a\r\rdata: b\r\r', ['a', 'b']],
    ['no space', 'data:a\n\n', ['a']],
    ['one space of two', 'data:  a\n\n', [' a']],
    ['several data lines', 'data: a\ndata: b\n\n', ['a\nb']],
    ['an empty data line', 'data\n\n', ['']],
    ['comments', ': x\n:y\n\ndata: a\n\n', ['a']],
    ['unknown fields', 'id: 1\nfoo: bar\nretry: 3\ndata: a\n\n', ['a']],
    ['an event name', 'event: error\ndata: a\n\ndata: b\n\n', ['error|a', 'b']],
    ['a name without data', 'event: x\n\ndata: b\n\n', ['b']],
    ['blank lines', '\n\n\ndata: a\n\n\n\n', ['a']],
    ['a byte order mark', '\uFEFFdata: a\n\n', ['a']],
    ['no blank line at the end', 'data: a\n\ndata: b\n', ['a', 'b']],
    ['no line end at the end', 'data: a\n\ndata: b', ['a', 'b']],
    ['line separators inside JSON', 'data: {"a":"\u2028"}\n\n', ['{"a":"\u2028"}']],
  ])('reads %s', (_name, text, expected) => {
    expect(read([text])).toEqual(expected);
  });

  it('replaces bytes that are not UTF-8', () => {
    expect(read([Buffer.from([0x64, 0x61, 0x74, 0x61, 0x3a, 0xff, 0x0a, 0x0a])])).toEqual(['\uFFFD']);
  });

  // Guarantee: a provider can't make us hold more than one event of bounded size.
  it.each([
    ['one endless line', ['data: ', 'x'.repeat(SSE_EVENT_SIZE_MAX)]],
    ['endless data lines', Array.from({ length: 1_100 }, () => `data: ${'x'.repeat(1_000)}\n`)],
    ['one huge event in one chunk', [`data: ${'x'.repeat(SSE_EVENT_SIZE_MAX + 1)}\n\n`]],
  ])('refuses %s', (_name, pieces) => {
    expect(() => read(pieces)).toThrow(SseOverflow);
  });

  it('reads an event of the largest size in small pieces', () => {
    const data = 'x'.repeat(SSE_EVENT_SIZE_MAX - 10);
    const bytes = Buffer.from(`data: ${data}\n\n`);
    const cuts = Array.from({ length: 1_000 }, (_, index) => index * 1_000);
    expect(read(cutAt(bytes, ...cuts))).toEqual([data]);
  });
});
