import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ChatRequest } from '@tunan/contracts';
import { SystemClock } from '@tunan/kernel';
import { Callers, PeerSet, StageClient, StageServer } from '@tunan/service-kit';
import { delta, USAGE } from '../testing/chunks.js';
import { anExchange } from '../testing/exchanges.js';
import { RecordingSink } from '../testing/recording-sink.js';
import { events, json } from '../testing/scripted-provider.js';
import { ScriptedStages } from '../testing/scripted-stage.js';

const MESSAGE = { role: 'assistant', content: 'Hello' };
const ANSWER = { id: 'v', choices: [{ index: 0, message: MESSAGE, finish_reason: 'stop' }], usage: USAGE };

describe('a stage in another process', () => {
  let stages: ScriptedStages;
  let server: Server;
  let peers: PeerSet;
  let client: StageClient;

  beforeAll(async () => {
    stages = await ScriptedStages.open();
    const clock = new SystemClock();
    const stageServer = new StageServer(new Callers({ router: ['token'] }), clock);
    stageServer.provide('connector/deepseek', stages.stage());
    server = createServer((request, response) => void stageServer.handle(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    peers = new PeerSet(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, 8);
    client = new StageClient('connector/deepseek', peers, 'token', clock);
  });
  afterAll(async () => {
    await peers.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await stages.close();
  });

  // Guarantee: a client that invents members does not make a connector look unreachable, which would end in an open breaker.
  it('is heard, whatever names the members have that it tells to have left out', async () => {
    const invented = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`${n}${'字'.repeat(64)}`, 1]));
    const request = invented as unknown as Partial<ChatRequest>;
    stages.vendor.answers(json(200, ANSWER));
    const unary = await client.handle(anExchange({ stream: false, request }));
    expect(unary.served.adapted).toMatch(/=ignored, and \d+ more$/);
    stages.vendor.answers(events(delta({ content: 'Hello' }), delta({}, 'stop', { usage: USAGE }), '[DONE]'));
    const stream = await client.handle(anExchange({ request: { ...request, stream: true } }));
    expect(stream.served.adapted).toBe(unary.served.adapted);
    expect((await RecordingSink.drain(stream)).ending).toBe('end');
  });
});
