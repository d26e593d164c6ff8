import type { ChatRequest, Exchange, Target } from '@tunan/contracts';

/** A target with short limits, for tests over real sockets. */
export const aTarget = (over: Partial<Target> = {}): Target => ({
  channel: 'deepseek-chat.deepseek',
  provider: 'deepseek',
  upstreamModel: 'deepseek-flash',
  thinking: false,
  billsAfterCancel: false,
  unstreamedTokensMax: 8_192,
  timeouts: {
    connectMs: 2_000,
    firstContentMs: 5_000,
    idleMs: 5_000,
    unaryFirstByteMs: 5_000,
    totalMs: 30_000,
  },
  ...over,
});

/** A chat exchange; streamed unless said otherwise. */
export const anExchange = (
  over: Partial<Exchange> & { readonly request?: Partial<ChatRequest> } = {},
): Exchange => {
  const { request, ...rest } = over;
  return {
    requestId: '01890a5d-ac96-774b-bcce-b302099a8057',
    operation: 'chat',
    body: { model: 'deepseek-chat', messages: [{ role: 'user', content: 'Hello' }], ...request },
    stream: true,
    ceiling: 1_000,
    includeUsage: true,
    strictParameters: false,
    deadlineMs: performance.now() + 60_000,
    signal: new AbortController().signal,
    traceparent: undefined,
    caller: { accountId: 'acc_1', tier: 'paid' },
    target: aTarget(),
    ...rest,
  };
};
