import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { RawBehaviour } from '@tunan/simulator/testing';
import { PROVIDER_IDS, type ExchangeReply, type ProviderId, type ReplySink } from '@tunan/contracts';
import { errorBody, Fault } from '@tunan/kernel';
import { anExchange, DataPlane, otherProvider, type FreshRouter } from './data-plane.js';
import { FAULT_ROWS } from './fault-rows.js';
import { primaryChannel } from './shipped-catalog.js';

/** A model of each provider; the channel of another one stands in for it. */
const MODELS: Readonly<Record<ProviderId, string>> = {
  deepseek: 'deepseek-reasoner',
  qwen: 'qwen3.7-plus',
  glm: 'glm-4-plus',
  minimax: 'minimax-m3',
};

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
  let plane: DataPlane;
  let router: FreshRouter | undefined;

  beforeAll(async () => {
    plane = await DataPlane.start();
  });
  afterEach(async () => {
    plane.simulator.clearScripts();
    await router?.stop();
    router = undefined;
  });
  afterAll(() => plane.stop());

  const cases = FAULT_ROWS.flatMap((row) => (row.faults[provider] ?? []).map((fault) => ({ ...row, fault })));

  describe.each(cases)('$what ($fault)', ({ fault, code, failsOver, action, shown, streamOnly }) => {
    const forms = streamOnly === true ? [true] : [true, false];

    it.each(forms)(`is ${code}, streamed %s`, async (stream) => {
      plane.simulator.script({ provider }, { fault });
      const met = await faultOf(plane.attempt(primary, anExchange(model, {}, stream)));
      expect([met.code, met.message]).toEqual([code, expect.any(String)]);
    });

    it.each(forms)(
      'goes on to another channel or not, and does to the credential what it must, streamed %s',
      async (stream) => {
        router = await plane.router([primary, backup]);
        plane.simulator.script({ provider }, { fault });
        const answer = await router
          .handle(anExchange(model, {}, stream))
          .catch((error: unknown) => error as Fault);
        if (failsOver) expect(answer).toMatchObject({ served: { channel: 'backup', fallback: true } });
        else expect(answer).toMatchObject({ code });
        const actions = action === 'keep' ? [] : [`primary: ${action}`];
        expect([...new Set(await router.credentialActions())]).toEqual(actions);
      },
    );

    it('shows the client only what it may see', async () => {
      router = await plane.router([primary]);
      plane.simulator.script({ provider }, { fault });
      const met = await faultOf(router.handle(anExchange(model, {}, true)));
      const { error } = errorBody(met);
      expect([met.spec.status, error.code]).toEqual(shown);
      expect(error.message).not.toMatch(
        /deepseek|qwen|dashscope|glm|minimax|balance|quota|arrear|overdue|api key|\b(?:1113|1008|402)\b|余额|sim-/i,
      );
    });
  });

  it('after content an error ends the stream, and nothing else is tried', async () => {
    router = await plane.router([primary, backup]);
    plane.simulator.script({ provider }, { tokens: 40, fault: 'cut:5:reset' });
    const { text, fault } = await drain(await router.handle(anExchange(model, {}, true)));
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
    const { text, fault } = await drain(await plane.attempt(primary, anExchange(model, {}, true)));
    expect(fault).toBeUndefined();
    expect(text).toContain('"finish_reason":"content_filter"');
  });

  // Nothing failed, so nothing else is tried: the client reads why there is no text, and another model might answer it.
  it.each(FILTERED_AT_ONCE[provider])(
    'an answer that is filtered before any of it comes is one that ends with content_filter: %j, streamed %s',
    async (behaviour, stream) => {
      router = await plane.router([primary, backup]);
      plane.simulator.script({ provider }, behaviour);
      const reply = await router.handle(anExchange(model, {}, stream));
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
    const met = await faultOf(plane.attempt(hasty, anExchange(model, {}, true)));
    expect(met.code).toBe('upstream_timeout');
    const answer = await router.handle(anExchange(model, {}, true));
    expect(answer).toMatchObject({ served: { channel: 'backup', fallback: true } });
    expect([...new Set(await router.credentialActions())]).toEqual(['primary: count']);
  });

  if (provider === 'glm')
    it('an answer that fills the context window ends with length', async () => {
      plane.simulator.script({ provider }, { finish: 'model_context_window_exceeded' });
      const { text } = await drain(await plane.attempt(primary, anExchange(model, {}, true)));
      expect(text).toContain('"finish_reason":"length"');
    });
});
