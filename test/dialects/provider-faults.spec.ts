import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { RawBehaviour } from '@tunan/simulator/testing';
import { PROVIDER_IDS, type ExchangeReply, type ProviderId, type ReplySink } from '@tunan/contracts';
import { errorBody, Fault } from '@tunan/kernel';
import { anExchange, DataPlane, otherProvider, type Form, type FreshRouter } from './data-plane.js';
import { FAULT_ROWS } from './fault-rows.js';
import { primaryChannel } from './shipped-catalog.js';

/** A model of each provider; the channel of another one stands in for it. */
const MODELS: Readonly<Record<ProviderId, string>> = {
  deepseek: 'deepseek-reasoner',
  qwen: 'qwen3.7-plus',
  glm: 'glm-4-plus',
  minimax: 'minimax-m3',
};

/** Another model of the same account. */
const SIBLINGS: Readonly<Record<ProviderId, { readonly model: string; readonly upstreamModel: string }>> = {
  deepseek: { model: 'deepseek-chat', upstreamModel: 'deepseek-v4-pro' },
  qwen: { model: 'qwen3.7-max', upstreamModel: 'qwen3.7-max' },
  glm: { model: 'glm-4-flash', upstreamModel: 'glm-4-flash-250414' },
  minimax: { model: 'minimax-m2.7', upstreamModel: 'MiniMax-M2.7' },
};

const EMBEDDINGS: Partial<Record<ProviderId, string>> = { qwen: 'text-embedding-v3', glm: 'embedding-3' };

/** Failures in a row that take a channel out. */
const FAILURES_MAX = 5;

let nonces = 0;

/** How each provider filters an answer of which nothing has been sent, and whether in a stream. */
const FILTERED_AT_ONCE: Readonly<Record<ProviderId, [RawBehaviour, boolean][]>> = {
  deepseek: [
    [{ finish: 'content_filter', tokens: 0 }, true],
    [{ finish: 'content_filter', tokens: 0 }, false],
  ],
  qwen: [
    [{ fault: 'stream_error:0:data_inspection_failed' }, true],
    [{ fault: 'error:output_inspection' }, true],
    [{ fault: 'error:output_inspection' }, false],
  ],
  glm: [
    [{ fault: 'stream_error:0:sensitive' }, true],
    [{ finish: 'sensitive', tokens: 0 }, false],
  ],
  minimax: [
    [{ fault: 'stream_error:0:1027' }, true],
    ...['error:1027', 'error:1027:400', 'error:1027:500'].flatMap((fault): [RawBehaviour, boolean][] => [
      [{ fault }, true],
      [{ fault }, false],
    ]),
  ],
};

const faultOf = (reply: Promise<ExchangeReply>): Promise<Fault> =>
  reply.then(
    () => Promise.reject(new Error('expected a fault')),
    (error: unknown) => {
      expect(error).toBeInstanceOf(Fault);
      return error as Fault;
    },
  );

/** Takes a stream to its end. */
const drain = (reply: ExchangeReply): Promise<{ readonly text: string; readonly fault: Fault | undefined }> =>
  new Promise((resolve, reject) => {
    if (reply.kind !== 'stream') return reject(new Error('not a stream'));
    let text = '';
    const sink: ReplySink = {
      frames: (bytes) => ((text += bytes.toString()), true),
      usage: () => undefined,
      end: () => resolve({ text, fault: undefined }),
      fail: (fault) => resolve({ text, fault }),
    };
    reply.body.start(sink);
  });

describe.each(PROVIDER_IDS)('what goes wrong at %s', (provider) => {
  const model = MODELS[provider];
  const primary = { ...primaryChannel(model), id: 'primary', priority: 100 };
  const backup = {
    ...primaryChannel(MODELS[otherProvider(provider)]),
    id: 'backup',
    model,
    priority: 50,
  };
  const sibling = { ...primaryChannel(SIBLINGS[provider].model), ...SIBLINGS[provider], id: 'sibling' };
  const embeddingModel = EMBEDDINGS[provider];
  let plane: DataPlane;
  let router: FreshRouter | undefined;

  /** Calls of this provider that carry a mark. */
  const callsOf = (nonce: string): number =>
    plane.simulator.log(nonce).filter((entry) => entry.event === 'accepted' && entry.provider === provider)
      .length;
  /** The channel that answers a chat, if any does. */
  const servedBy = (asked: string): Promise<string> =>
    router!.handle(anExchange(asked, 'unary')).then(
      ({ served }) => served.channel,
      () => 'none',
    );

  beforeAll(async () => {
    plane = await DataPlane.start();
  });
  afterEach(async () => {
    plane.simulator.clearScripts();
    await router?.stop();
    router = undefined;
  });
  afterAll(() => plane.stop());

  const cases = FAULT_ROWS.flatMap((row) =>
    (row.faults[provider] ?? []).map((fault) => {
      const behaviour: RawBehaviour = typeof fault === 'string' ? { fault } : fault;
      return { ...row, behaviour };
    }),
  );

  describe.each(cases)('$what ($behaviour)', (row) => {
    const { behaviour, code, failsOver, sameChannel, action } = row;
    const chats: readonly Form[] = row.only === 'stream' ? ['stream'] : ['stream', 'unary'];
    const forms =
      row.only === undefined && embeddingModel !== undefined ? [...chats, 'embeddings' as const] : chats;
    const primaryCalls = sameChannel === 'once' ? 2 : 1;
    const channelOf = (form: Form) => (form === 'embeddings' ? primaryChannel(embeddingModel!) : primary);

    it.each(forms)(`is ${code}: %s`, async (form) => {
      plane.simulator.script({ provider }, behaviour);
      const channel = channelOf(form);
      const met = await faultOf(plane.attempt(channel, anExchange(channel.model, form)));
      expect([met.code, met.message]).toEqual([code, expect.any(String)]);
      const [least, most] = row.restMs?.[provider] ?? [];
      if (action !== 'cool') expect(met.retryAfterMs).toBeUndefined();
      else {
        expect(met.retryAfterMs).toBeGreaterThanOrEqual(least!);
        expect(met.retryAfterMs).toBeLessThanOrEqual(most!);
      }
    });

    it.each(chats)(
      `asks the same channel once more: ${sameChannel}, and another one: ${failsOver}; %s`,
      async (form) => {
        router = await plane.router([primary, backup]);
        plane.simulator.script({ provider }, behaviour);
        const nonce = `fault-${process.pid}-${(nonces += 1)}`;
        const answer = await router
          .handle(anExchange(model, form, { nonce }))
          .catch((error: unknown) => error as Fault);
        const attempts = primaryCalls + 1;
        if (failsOver)
          expect(answer).toMatchObject({ served: { channel: 'backup', fallback: true, attempts } });
        else expect(answer).toMatchObject({ code });
        expect(callsOf(nonce)).toBe(primaryCalls);
      },
    );

    it('is followed by what its credential has to suffer', async () => {
      router = await plane.router([primary, backup, sibling]);
      plane.simulator.script({ provider }, behaviour);
      const form = chats[0]!;
      await router.handle(anExchange(model, form)).catch(() => undefined);
      plane.simulator.clearScripts();
      const usable = action === 'keep' || action === 'count';
      expect(await servedBy(model)).toBe(usable ? 'primary' : 'backup');
      expect(await servedBy(sibling.model)).toBe(row.ofAccount === true ? 'none' : 'sibling');
      const actions = action === 'keep' ? [] : [`primary: ${action}`];
      expect([...new Set(await router.credentialActions())]).toEqual(actions);
      if (!usable) return;

      plane.simulator.script({ provider }, behaviour);
      for (let failures = 0; failures < FAILURES_MAX; failures += 1)
        await router.handle(anExchange(model, form)).catch(() => undefined);
      plane.simulator.clearScripts();
      expect(await servedBy(model)).toBe(action === 'count' ? 'backup' : 'primary');
      expect(await servedBy(sibling.model)).toBe('sibling');
    });

    it.each(forms)('shows the client only what it may see: %s', async (form) => {
      const channel = { ...channelOf(form), id: 'primary' };
      router = await plane.router([channel]);
      plane.simulator.script({ provider }, behaviour);
      const nonce = `fault-${process.pid}-${(nonces += 1)}`;
      const met = await faultOf(router.handle(anExchange(channel.model, form, { nonce })));
      const { error } = errorBody(met);
      const [status, type, shownCode, param] = row.shown;
      expect([met.spec.status, error.type, error.code]).toEqual([status, type, shownCode]);
      if (form !== 'embeddings') expect(error.param).toBe(param);
      expect(error.message).not.toMatch(
        /deepseek|qwen|dashscope|glm|minimax|balance|quota|arrear|overdue|api key|\b(?:1113|1008|402)\b|余额|sim-/i,
      );
      expect(callsOf(nonce)).toBe(primaryCalls);
    });
  });

  it('after content an error ends the stream, and nothing else is tried', async () => {
    router = await plane.router([primary, backup]);
    plane.simulator.script({ provider }, { tokens: 40, fault: 'cut:5:reset' });
    const { text, fault } = await drain(await router.handle(anExchange(model, 'stream')));
    expect(text).toContain('content');
    expect(fault?.code).toBe('upstream_stream_cut');
    expect(await router.credentialActions()).toEqual(['primary: count']);
  });

  const filtered: Readonly<Record<ProviderId, { readonly fault?: string; readonly finish?: string }>> = {
    deepseek: { finish: 'content_filter' },
    qwen: { fault: 'stream_error:5:data_inspection_failed' },
    glm: { fault: 'stream_error:5:sensitive' },
    minimax: { fault: 'stream_error:5:1027' },
  };

  it('an answer that is filtered after its beginning ends with content_filter', async () => {
    plane.simulator.script({ provider }, { tokens: 40, ...filtered[provider] });
    const { text, fault } = await drain(await plane.attempt(primary, anExchange(model, 'stream')));
    expect(fault).toBeUndefined();
    expect(text).toContain('"finish_reason":"content_filter"');
  });

  // Nothing failed, so nothing else is tried: the client reads why there is no text, and another model might answer it.
  it.each(FILTERED_AT_ONCE[provider])(
    'an answer that is filtered before any of it comes is one that ends with content_filter: %j, streamed %s',
    async (behaviour, stream) => {
      router = await plane.router([primary, backup]);
      plane.simulator.script({ provider }, behaviour);
      const reply = await router.handle(anExchange(model, stream ? 'stream' : 'unary'));
      expect(reply.served).toMatchObject({ channel: 'primary', fallback: false });
      const text = reply.kind === 'unary' ? reply.body.toString() : (await drain(reply)).text;
      expect(text).toContain('"finish_reason":"content_filter"');
      expect(text).not.toMatch(/sensitive|inspection|inappropriate/);
      expect(await router.credentialActions()).toEqual([]);
    },
  );

  it('a stream that stalls before content took too long, and goes on to another channel', async () => {
    const hasty = { ...primary, timeouts: { ...primary.timeouts, firstContentMs: 500 } };
    router = await plane.router([hasty, backup]);
    plane.simulator.script({ provider }, { fault: 'stall:0' });
    const met = await faultOf(plane.attempt(hasty, anExchange(model, 'stream')));
    expect(met.code).toBe('upstream_timeout');
    const answer = await router.handle(anExchange(model, 'stream'));
    expect(answer).toMatchObject({ served: { channel: 'backup', fallback: true } });
    expect([...new Set(await router.credentialActions())]).toEqual(['primary: count']);
  });

  it('an answer that never begins took too long, and goes on to another channel', async () => {
    const hasty = { ...primary, timeouts: { ...primary.timeouts, unaryFirstByteMs: 300 } };
    router = await plane.router([hasty, backup]);
    plane.simulator.script({ provider }, { fault: 'hang' });
    const exchange = anExchange(model, 'unary', { ceiling: 9 });
    const met = await faultOf(plane.attempt(hasty, exchange));
    expect(met.code).toBe('upstream_timeout');
    const answer = await router.handle(exchange);
    expect(answer).toMatchObject({ served: { channel: 'backup', fallback: true, attempts: 2 } });
    expect([...new Set(await router.credentialActions())]).toEqual(['primary: count']);
  });

  if (provider === 'glm')
    it('an answer that fills the context window ends with length', async () => {
      plane.simulator.script({ provider }, { finish: 'model_context_window_exceeded' });
      const { text } = await drain(await plane.attempt(primary, anExchange(model, 'stream')));
      expect(text).toContain('"finish_reason":"length"');
    });
});
