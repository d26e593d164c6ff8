import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ChatDelta } from '@tunan/llm';
import { DIALECTS } from '../providers/index.js';
import { FrameForm, onlyText } from './frame-form.js';
import { StreamDecoder } from './stream-decoder.js';

const frame = (delta: object, choice: object = {}, outer: object = {}): object => ({
  id: 'x',
  choices: [{ index: 0, delta, ...choice }],
  ...outer,
});

const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.constantFrom(
    'a',
    ' the',
    '漢字',
    '😀',
    '\ud83d',
    '"',
    '\\',
    '\n',
    '\u2028',
    '\u007f',
    '}]}',
    '"content":"',
    'content',
  ),
);
/** Deltas as providers write them, and as none does, of a text and of another one that seldom changes. */
const DELTAS: readonly ((text: string, other: string) => object)[] = [
  (content) => ({ content }),
  (content) => ({ role: 'assistant', content, name: 'M', reasoning_content: null }),
  (reasoning_content) => ({ content: null, reasoning_content }),
  (content, reasoning_content) => ({ content, reasoning_content }),
  (content, refusal) => ({ role: null, refusal, content }),
  (content, other) => ({ content, details: { content: other } }),
  (other, content) => ({ details: { content: other }, content }),
  (text, other) => ({ reasoning_content: text, reasoning_details: [{ text: other }] }),
  (content, id) => ({ content, tool_calls: [{ index: 0, id, function: { name: 'f', arguments: 'x' } }] }),
];
const STYLES: readonly ((json: string) => string)[] = [
  (json) => json,
  (json) => json.replaceAll(/":(?=["[{n])/g, '": '),
  (json) => json.replace(/"content"(?!.*"content")/su, String.raw`"cont\u0065nt"`),
  (json) => json.replace('"delta":{', '"delta":{"content":"first",'),
];
const sometimes = (...values: readonly unknown[]) =>
  fc.option(fc.constantFrom(...values), { nil: undefined, freq: 3 });

/** All that is the same in the frames of a stream. */
const shape = fc.record({
  delta: fc.constantFrom(...DELTAS),
  finish_reason: sometimes(null, '', 'stop', 'length', 'sensitive'),
  logprobs: sometimes(null, { content: [] }),
  usage: sometimes(null, { total_tokens: 0 }, { prompt_tokens: 7, completion_tokens: 3 }),
  object: sometimes('chat.completion', 'content'),
  style: fc.constantFrom(...STYLES),
});
const BROKEN = ['{', '[]', 'null', '{"choices":null}', '{"error":{"message":"x","type":"y"}}', '[DONE]'];
const stream = fc
  .tuple(
    fc.array(shape, { minLength: 1, maxLength: 2 }),
    fc.array(fc.tuple(fc.nat(12), text, fc.constantFrom('b', 'c', '')), { maxLength: 8 }),
    fc.constantFrom(...BROKEN),
  )
  .map(([shapes, events, broken]) =>
    events.map(([pick, one, other]) => {
      if (pick === 0) return broken;
      const { delta, style, finish_reason, logprobs, usage, object } =
        shapes[pick === 1 ? shapes.length - 1 : 0]!;
      return style(JSON.stringify(frame(delta(one, other), { finish_reason, logprobs }, { usage, object })));
    }),
  );

const decode = (events: readonly string[]) => {
  const deltas: ChatDelta[] = [];
  const decoder = new StreamDecoder(DIALECTS.minimax, { callsMax: 9, newId: String }, (one) =>
    deltas.push(one),
  );
  for (const event of events) decoder.push(Buffer.from(`data: ${event}\n\n`));
  decoder.end();
  const { progress, usage } = decoder;
  return progress === 'failed'
    ? { deltas, progress, usage, fault: decoder.fault.code }
    : { deltas, progress, usage, finishReason: decoder.finishReason };
};

describe('the form of frames', () => {
  it('changes nothing of what a stream says', () => {
    fc.assert(
      fc.property(stream, (events) => {
        // Each begins otherwise than those before it, so that all have to be parsed.
        const unlike = events.map((event, index) => (event === '[DONE]' ? event : ' '.repeat(index) + event));
        expect(decode(events)).toEqual(decode(unlike));
      }),
      { numRuns: 3_000 },
    );
  });

  it.each([
    ['content', { content: 'Hi' }, { content: ' 漢字' }],
    ['content', { role: 'assistant', content: 'Hi', reasoning_content: null }, undefined],
    [
      'reasoning_content',
      { content: '', reasoning_content: 'Hm' },
      { content: '', reasoning_content: ' 漢字' },
    ],
  ] as const)('tells the text of the next frame, %s of %j', (member, first, next) => {
    const form = FrameForm.of(JSON.stringify(frame(first)), member);
    expect(onlyText(frame(first) as Record<string, unknown>)).toBe(member);
    const following = frame(next ?? { ...first, [member]: ' 漢字' });
    expect(form?.textOf(JSON.stringify(following))).toBe(' 漢字');
  });

  it.each([
    ['nothing', { content: '' }],
    ['another member', { content: 'a', role: 'assistant' }],
    ['a longer end', { content: 'a', more: 'b' }],
  ])('does not take a frame with %s for one of its own', (_what, next) => {
    const form = FrameForm.of(JSON.stringify(frame({ content: 'Hi' })), 'content');
    expect(form?.textOf(JSON.stringify(frame(next)))).toBeUndefined();
  });

  it.each([
    ['an escape', frame({ content: 'a\n' })],
    ['the name twice', frame({ content: 'a', details: { content: 'b' } })],
    ['the name as a value', frame({ content: 'a', kind: 'content' })],
  ])('is not known from a frame with %s', (_what, one) => {
    expect(FrameForm.of(JSON.stringify(one), 'content')).toBeUndefined();
  });

  it('does not let a member be forged by a text', () => {
    const form = FrameForm.of(JSON.stringify(frame({ content: 'Hi' })), 'content');
    const forged = JSON.stringify(frame({ content: 'Hi' })).replace('Hi', 'Hi","content":"no');
    expect(form?.textOf(forged)).toBeUndefined();
  });
});
