import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { readConfig } from '@tunan/config';
import { SystemClock } from '@tunan/kernel';
import {
  createLogger,
  Health,
  type Mode,
  type ServiceContext,
  type ServiceInstance,
} from '@tunan/service-kit';
import { connectorConfig } from './connector.config.js';
import { connector } from './index.js';
import { anExchange } from './testing/exchanges.js';
import { faultOf } from './testing/scripted-stage.js';

const clock = new SystemClock();

const until = async (condition: () => boolean): Promise<void> => {
  const endMs = clock.monotonicMs() + 5_000;
  while (!condition()) {
    if (clock.monotonicMs() > endMs) throw new Error('condition never held');
    await clock.sleep(10);
  }
};

describe('the connector service', () => {
  let server: Server;
  let simulatorUrl: string;
  let paths: string[];
  let health: Health;
  let instance: ServiceInstance | undefined;

  beforeEach(async () => {
    paths = [];
    server = createServer((request, response) => {
      paths.push(request.url ?? '');
      request.resume();
      if (request.url === '/control/stats') return void response.end('{}');
      response.end(JSON.stringify({ choices: [{ message: { content: 'Hi' }, finish_reason: 'stop' }] }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    simulatorUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    health = new Health();
  });
  afterEach(async () => {
    await instance?.stop();
    instance = undefined;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const start = async (variables: Record<string, string>, mode: Mode, simulator: string | undefined) => {
    const refuse = (): never => {
      throw new Error('not needed');
    };
    const context: ServiceContext<typeof connectorConfig> = {
      config: readConfig(connectorConfig, variables),
      mode,
      clock,
      logger: createLogger('silent'),
      metrics: new Registry(),
      health,
      dataDir: '',
      simulatorUrl: simulator,
      port: refuse,
      stage: refuse,
      postgres: refuse,
    };
    instance = await connector.start(context);
    return { ...instance, metrics: context.metrics };
  };
  const { target: _target, ...direct } = anExchange({ stream: false });
  const exchange = { ...direct, target: undefined };

  // Guarantee: where stand-ins are not allowed, a missing key is a channel that does not exist, and nothing else.
  it('has no channels of a provider without a key', async () => {
    const { stages } = await start({}, 'production', undefined);
    expect(Object.keys(stages)).toEqual([
      'connector/deepseek',
      'connector/qwen',
      'connector/glm',
      'connector/minimax',
    ]);
    expect(await faultOf(stages['connector/qwen']!.handle(exchange))).toMatchObject({
      code: 'no_channel_available',
    });
    expect(health.ready).toBe(true);
    expect(health.dependencies).toContainEqual(
      expect.objectContaining({ name: 'provider/qwen', detail: 'no credential: its channels do not exist' }),
    );
  });

  it('never reaches a simulator outside embedded mode', async () => {
    const { stages } = await start({}, 'production', simulatorUrl);
    expect(await faultOf(stages['connector/glm']!.handle(exchange))).toMatchObject({
      code: 'no_channel_available',
    });
    expect(paths).toEqual([]);
  });

  it('lets the simulator stand in in embedded mode, says so, and waits for it', async () => {
    const { stages } = await start({}, 'embedded', simulatorUrl);
    expect(health.ready).toBe(false);
    await until(() => health.ready);
    for (const stage of Object.values(stages))
      expect((await stage!.handle(exchange)).served.provider).toBe('simulator');
    expect(paths.filter((path) => path !== '/control/stats')).toEqual([
      '/deepseek/chat/completions',
      '/qwen/compatible-mode/v1/chat/completions',
      '/glm/api/paas/v4/chat/completions',
      '/minimax/v1/chat/completions',
    ]);
  });

  it('prefers a key to the simulator', async () => {
    const { stages, metrics } = await start(
      {
        DEEPSEEK_API_KEY: 'sk-1',
        DEEPSEEK_BASE_URL: `${simulatorUrl}/real/`,
        CONNECTOR_PROVIDERS: 'deepseek',
      },
      'embedded',
      simulatorUrl,
    );
    expect(Object.keys(stages)).toEqual(['connector/deepseek']);
    expect((await stages['connector/deepseek']!.handle(exchange)).served.provider).toBe('deepseek');
    expect(paths).toEqual(['/real/chat/completions']);
    expect(await metrics.metrics()).toContain(
      'tunan_connector_answers_total{provider="deepseek",outcome="completed"} 1',
    );
  });

  it('reports every setting at fault', () => {
    const bad = {
      CONNECTOR_PROVIDERS: 'deepseek,openai',
      DASHSCOPE_BASE_URL: 'ftp://x',
      CONNECTOR_CONNECTIONS_MAX: '0',
    };
    expect(() => readConfig(connectorConfig, bad)).toThrow(
      /CONNECTOR_PROVIDERS[^]*CONNECTOR_CONNECTIONS_MAX[^]*DASHSCOPE_BASE_URL/,
    );
  });
});
