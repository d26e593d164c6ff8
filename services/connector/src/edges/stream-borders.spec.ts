import { describe, expect, it } from '@jest/globals';
import type { Dispatcher } from 'undici';
import { TestClock } from '@tunan/kernel/testing';
import { DIALECTS } from '../providers/index.js';
import { encodeChat } from '../domain/encode-chat.js';
import { aTarget, anExchange } from '../testing/exchanges.js';
import { RecordingSink } from '../testing/recording-sink.js';
import { eventText } from '../testing/scripted-provider.js';
import { STOPPED_SAMPLES, STREAM_SAMPLES, type StreamSample } from '../testing/stream-samples.js';
import type { ProviderTransport } from './provider-transport.js';
import { InlineSchemaJudge } from './schema-judge.js';
import { StreamCall } from './stream-call.js';

const controller = {
  abort: () => undefined,
  pause: () => undefined,
  resume: () => undefined,
} as unknown as Dispatcher.DispatchController;
const LINE_ENDS = [
  ['LF', '\n'],
  ['CRLF', '\r\n'],
] as const;

type Sent = Pick<StreamSample, 'provider'> & { readonly stop?: readonly string[]; readonly ceiling?: number };

/** Everything that a client and a bill learn of one call whose network brings these pieces. */
const play = async ({ provider, stop, ceiling = 1_000 }: Sent, pieces: readonly Buffer[]) => {
  const clock = new TestClock();
  let handler!: Dispatcher.DispatchHandler;
  const transport = {
    dispatch: (...[, , , , given]: Parameters<ProviderTransport['dispatch']>) => (handler = given),
    release: () => undefined,
  } as unknown as ProviderTransport;
  const dialect = DIALECTS[provider];
  const target = aTarget({ provider });
  const request = stop === undefined ? {} : { stop: [...stop] };
  const exchange = anExchange({ request, ceiling, deadlineMs: clock.monotonicMs() + 60_000 });
  const call = { ...target, ceiling, stream: true, accountId: 'a', strict: false };
  let overran = false;
  const reply = StreamCall.open(
    { dialect, transport, clock, judge: new InlineSchemaJudge() },
    exchange,
    target,
    {
      served: { provider, upstreamModel: 'm', channel: 'c', attempts: 1, fallback: false },
      identity: { id: 'chatcmpl-1', created: 1, model: 'public' },
      choice: 0,
      encoded: encodeChat(dialect, exchange.body as Parameters<typeof encodeChat>[1], call),
      observer: {
        completed: () => undefined,
        failed: () => undefined,
        impossibleUsage: () => undefined,
        overran: () => (overran = true),
      },
    },
  );
  handler.onRequestStart?.(controller, {});
  handler.onResponseStart?.(controller, 200, {}, 'OK');
  for (const piece of pieces) handler.onResponseData?.(controller, piece);
  handler.onResponseEnd?.(controller, {});
  const sink = await RecordingSink.drain(await reply);
  const { text, outputTokens, reported, ending } = sink;
  return { text, outputTokens, reported, ending, overran, sink };
};

const seen = ({ sink: _, ...answer }: Awaited<ReturnType<typeof play>>): string => JSON.stringify(answer);

// Guarantee: neither the answer nor its bill depends on where the network cuts the provider's bytes.
const samples: readonly (StreamSample & Sent)[] = [...STREAM_SAMPLES, ...STOPPED_SAMPLES];
describe.each(samples)('$name', (sample) => {
  it('says what the provider said, up to a stop sequence', async () => {
    const { sink } = await play(sample, [Buffer.from(sample.text)]);
    const deltas = sink.chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta));
    expect(sink.ending).toBe('end');
    expect({
      content: sink.content,
      reasoning: deltas.map((delta) => delta.reasoning_content ?? '').join(''),
      toolCalls: deltas.flatMap((delta) => delta.tool_calls ?? []),
      usage: sink.reported?.usage,
    }).toEqual({ ...sample.expected, finishReason: undefined });
    expect(sink.finishReasons).toEqual([sample.expected.finishReason]);
  });

  it.each(LINE_ENDS)('is the same wherever its bytes are cut, with %s', async (_name, lineEnd) => {
    const bytes = Buffer.from(sample.text.replaceAll('\n', lineEnd));
    const whole = seen(await play(sample, [bytes]));
    const different: number[] = [];
    for (let cut = 1; cut < bytes.length; cut += 1)
      if (seen(await play(sample, [bytes.subarray(0, cut), bytes.subarray(cut)])) !== whole)
        different.push(cut);
    expect(different).toEqual([]);
  });

  it('is the same byte by byte', async () => {
    const bytes = Buffer.from(sample.text);
    const one = await play(
      sample,
      Array.from(bytes, (byte) => Buffer.of(byte)),
    );
    expect(seen(one)).toEqual(seen(await play(sample, [bytes])));
  });
});

describe('a stream that passes its ceiling', () => {
  const event = (content: string, finish: string | null = null) => ({
    choices: [{ index: 0, delta: { content }, finish_reason: finish }],
  });
  const usage = { choices: [], usage: { prompt_tokens: 9, completion_tokens: 50 } };
  const failure = { error: { message: 'boom', type: 'server_error', code: 'x' } };

  it.each([
    ['its usage', [event('', 'stop'), usage]],
    ['a failure', [failure]],
  ])('is cut after the event that passes it, with %s behind it at every border', async (_name, more) => {
    const sent = { provider: 'deepseek', ceiling: 2 } as const;
    const bytes = Buffer.from(eventText(event('a'), event('b'), event('c'), event('d'), ...more));
    for (let cut = 1; cut <= bytes.length; cut += 1) {
      const { sink, overran } = await play(sent, [bytes.subarray(0, cut), bytes.subarray(cut)]);
      expect([sink.content, sink.finishReasons, sink.reported?.usage, sink.ending, overran]).toEqual([
        'abc',
        ['length'],
        null,
        'end',
        true,
      ]);
    }
  });

  // Guarantee: nobody pays for more above a ceiling than the event that crossed it. Of these, each is 3 tokens.
  it.each([
    ['as far as the event that crossed the ceiling goes', 2, 7, { completion: 7 }],
    ['beyond that event', 2, 8, { completion: 4, impossible: true }],
    ['above a ceiling that nothing delivered has crossed', 1, 5, { completion: 4, impossible: true }],
    ['at the ceiling', 1, 4, { completion: 4 }],
  ])('is charged usage %s', async (_name, events, completion, charged) => {
    const said = Array.from({ length: events }, () => event('x'.repeat(12)));
    const reports = { choices: [], usage: { prompt_tokens: 9, completion_tokens: completion } };
    const text = eventText(...said, event('', 'stop'), reports);
    const { reported } = await play({ provider: 'deepseek', ceiling: 4 }, [Buffer.from(text)]);
    expect(reported?.usage).toEqual({ prompt: 9, cachedPrompt: 0, reasoning: 0, ...charged });
  });

  it('is charged its ceiling if it comes as one whole answer instead', async () => {
    const answer = {
      choices: [{ message: { role: 'assistant', content: 'x'.repeat(24) }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 9, completion_tokens: 6 },
    };
    const { reported } = await play({ provider: 'deepseek', ceiling: 4 }, [
      Buffer.from(JSON.stringify(answer)),
    ]);
    expect(reported?.usage).toMatchObject({ completion: 4, impossible: true });
  });
});
