import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { readConfig } from '@tunan/config';
import {
  ExchangeHandler,
  type CatalogSnapshot,
  type ContractSpec,
  type Exchange,
  type ExchangeReply,
  type Port,
} from '@tunan/contracts';
import { TestClock } from '@tunan/kernel/testing';
import { createLogger, Health, type ServiceContext, type StageName } from '@tunan/service-kit';
import { router } from './index.js';
import { routerConfig } from './router.config.js';
import { aChannel } from './testing/a-catalog.js';

class NamedStage extends ExchangeHandler {
  constructor(private readonly name: StageName) {
    super();
  }

  handle(exchange: Exchange): Promise<ExchangeReply> {
    const served = {
      provider: this.name,
      upstreamModel: 'x',
      channel: exchange.target!.channel,
      attempts: 1,
      fallback: false,
    };
    return Promise.resolve({ kind: 'unary', served, body: Buffer.alloc(0), usage: null, outputTokens: 0 });
  }
}

const exchange: Exchange = {
  requestId: 'r',
  operation: 'chat',
  body: { model: 'deepseek-chat', messages: [] },
  stream: false,
  ceiling: 1,
  includeUsage: false,
  strictParameters: false,
  deadlineMs: Infinity,
  signal: new AbortController().signal,
  traceparent: undefined,
  caller: { accountId: 'a', tier: 'free' },
  target: undefined,
};

describe('the router service', () => {
  it('is ready with its first catalog, and routes by it', async () => {
    const clock = new TestClock();
    const health = new Health();
    const answers: ({ snapshot: CatalogSnapshot | null } | Error)[] = [
      new Error('auth is not there yet'),
      {
        snapshot: {
          version: 3,
          catalog: {
            models: [],
            aliases: {},
            channels: [aChannel({ id: 'c' })],
          } as unknown as CatalogSnapshot['catalog'],
        },
      },
      { snapshot: null },
    ];
    const asked: unknown[] = [];
    const auth = {
      catalog: (request: unknown) => {
        asked.push(request);
        const answer = answers.shift()!;
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
      },
    };
    const context: ServiceContext<typeof routerConfig> = {
      config: readConfig(routerConfig, { ROUTER_PROVIDERS: 'deepseek' }),
      mode: 'production',
      clock,
      logger: createLogger('silent'),
      metrics: new Registry(),
      health,
      dataDir: '',
      simulatorUrl: undefined,
      port: <Contract extends ContractSpec>() => auth as unknown as Port<Contract>,
      stage: (name) => new NamedStage(name),
      postgres: () => {
        throw new Error('not needed');
      },
    };
    expect(router.stages?.(context.config)).toEqual(['connector/deepseek']);
    const { stages, stop } = await router.start(context);
    const turn = async (ms: number) => {
      await new Promise(setImmediate);
      clock.advance(ms);
      await new Promise(setImmediate);
    };
    await expect(stages.router!.handle(exchange)).rejects.toMatchObject({ code: 'service_unavailable' });
    expect(health.ready).toBe(false);
    await turn(200);
    expect(health.ready).toBe(true);
    expect((await stages.router!.handle(exchange)).served).toMatchObject({
      provider: 'connector/deepseek',
      channel: 'c',
    });
    await turn(2_000);
    expect(asked.at(-1)).toEqual({ knownVersion: 3, version: null });
    await stop();
    expect(clock.waiting).toBe(0);
  });
});
