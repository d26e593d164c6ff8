import type { Exchange, ExchangeReply, ProviderId, Usage } from '@tunan/contracts';
import { Fault, uuidv7, type Clock } from '@tunan/kernel';
import { createLogger } from '@tunan/service-kit';
import { Registry } from 'prom-client';
import { ConnectorMetrics } from '../edges/connector-metrics.js';
import { ProviderStage } from '../edges/provider-stage.js';
import { InlineSchemaJudge } from '../edges/schema-judge.js';
import { ProviderTransport, type Endpoint } from '../edges/provider-transport.js';
import { DIALECTS } from '../providers/index.js';
import { INFERRED_FACTS } from './inferred-facts.js';
import { LiveProvider } from './live-provider.js';

/** The cheapest model of each provider, as it is asked for, and its thinking switch. */
const SMOKE: Readonly<Record<ProviderId, { readonly model: string; readonly thinking: boolean | null }>> = {
  deepseek: { model: 'deepseek-flash', thinking: false },
  qwen: { model: 'qwen3.5-flash', thinking: false },
  glm: { model: 'glm-4-flash-250414', thinking: null },
  minimax: { model: 'MiniMax-M2.5', thinking: null },
};
const CEILING = 256;
const DEADLINE_MS = 60_000;
const CONNECTIONS_MAX = 4;
const CONNECT_MS = 10_000;

/**
 * Asks one provider for a short answer, whole and as a stream, through the connector as it is, and then about what is
 * only inferred of it. Tells every finding as a line.
 * @returns whether both answers came; facts that are refuted are news and not a failure
 */
export const checkProvider = async (
  provider: ProviderId,
  endpoint: Endpoint,
  clock: Clock,
  tell: (line: string) => void,
): Promise<boolean> => {
  const limits = { connectionsMax: CONNECTIONS_MAX, connectTimeoutMs: CONNECT_MS };
  const transport = new ProviderTransport(provider, endpoint, limits);
  const metrics = new ConnectorMetrics(new Registry(), () => new Map()).of(provider);
  const context = { dialect: DIALECTS[provider], transport, clock, judge: new InlineSchemaJudge() };
  const stage = new ProviderStage(context, provider, metrics, createLogger('silent'));
  let answered = true;
  try {
    for (const stream of [false, true]) {
      const what = stream ? 'a stream' : 'a whole answer';
      try {
        const usage = await usageOf(await stage.handle(anExchange(provider, stream, clock)));
        tell(
          `  ok         ${what}, ${usage === null ? 'without usage' : `${usage.prompt} + ${usage.completion} tokens`}`,
        );
      } catch (error) {
        answered = false;
        tell(`  FAILED     ${what}: ${Fault.from(error).message}`);
      }
    }
  } finally {
    await transport.close();
  }
  if (answered) await probeFacts(provider, new LiveProvider(endpoint, DIALECTS[provider]), tell);
  return answered;
};

const probeFacts = async (
  provider: ProviderId,
  live: LiveProvider,
  tell: (line: string) => void,
): Promise<void> => {
  for (const { claim, probe } of INFERRED_FACTS[provider]) {
    const finding = await probe(live).catch((error: unknown) =>
      error instanceof Error ? error.message : String(error),
    );
    if (typeof finding === 'string') tell(`  unclear    ${claim} (${finding})`);
    else tell(`  ${finding ? 'confirmed ' : 'REFUTED   '} ${claim}`);
  }
};

const anExchange = (provider: ProviderId, stream: boolean, clock: Clock): Exchange => {
  const { model, thinking } = SMOKE[provider];
  return {
    requestId: uuidv7(),
    operation: 'chat',
    body: { model, messages: [{ role: 'user', content: 'Say hi.' }] },
    stream,
    ceiling: CEILING,
    includeUsage: true,
    strictParameters: false,
    deadlineMs: clock.monotonicMs() + DEADLINE_MS,
    signal: new AbortController().signal,
    traceparent: undefined,
    caller: { accountId: 'providers-check', tier: 'paid' },
    target: {
      channel: `${provider}.check`,
      provider,
      upstreamModel: model,
      thinking,
      billsAfterCancel: false,
      unstreamedTokensMax: 8_192,
      timeouts: {
        connectMs: CONNECT_MS,
        firstContentMs: DEADLINE_MS,
        idleMs: DEADLINE_MS,
        unaryFirstByteMs: DEADLINE_MS,
        totalMs: DEADLINE_MS,
      },
    },
  };
};

/** Takes an answer to its end. @throws Fault if it has none */
const usageOf = (reply: ExchangeReply): Promise<Usage | null> => {
  if (reply.kind === 'unary') return Promise.resolve(reply.usage);
  return new Promise((resolve, reject) => {
    let reported: Usage | null = null;
    reply.body.start({
      frames: () => true,
      usage: (usage) => void (reported = usage),
      end: () => resolve(reported),
      fail: reject,
    });
  });
};
