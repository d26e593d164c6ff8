import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '@tunan/config';
import { SystemClock } from '@tunan/kernel';
import type { ServiceContext, ServiceInstance } from '@tunan/service-kit';
import { simulator } from './index.js';
import { call } from './testing/http-client.js';

let folder: string;
let instance: ServiceInstance;
let server: Server;
let url: string;

const context = (changes: Partial<ServiceContext> = {}) =>
  ({
    config: readConfig(simulator.config, {}),
    mode: 'embedded',
    clock: new SystemClock(),
    dataDir: folder,
    ...changes,
  }) as unknown as Parameters<typeof simulator.start>[0];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'simulator-service-'));
  instance = await simulator.start(context());
  server = createServer((request, response) => instance.surfaces[0]!.handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});

/** Resolves once a call is being answered. */
const untilOpen = async (): Promise<void> => {
  let open = '[]';
  while (open === '[]') open = (await call(`${url}/control/open`, undefined)).text;
};

describe('service', () => {
  it('needs nothing and answers the providers and its control API on a listener of its own', () => {
    expect(simulator).toMatchObject({ name: 'simulator', requires: [], postgres: false });
    expect(instance.surfaces).toMatchObject([
      { listener: 'simulator', prefixes: ['/deepseek', '/qwen', '/glm', '/minimax', '/control'] },
    ]);
  });

  it('refuses to start where its answers could be sold', async () => {
    await expect(simulator.start(context({ mode: 'production' }))).rejects.toThrow(/embedded only/);
  });

  it('waits for open calls while draining, within the time given, and ends them when it stops', async () => {
    const body = (directive: string) => ({
      model: 'MiniMax-M3',
      stream: true,
      messages: [{ role: 'user', content: `[[sim ${directive}]]` }],
    });
    const finite = call(`${url}/minimax/v1/chat/completions`, body('tokens=20 chunk_delay_ms=10'));
    await untilOpen();
    await instance.drain(10_000);
    expect((await finite).error).toBeUndefined();

    const endless = call(`${url}/minimax/v1/chat/completions`, body('fault=stall:1'));
    await untilOpen();
    await instance.drain(50);
    await instance.stop();
    expect((await endless).error).toBe('ECONNRESET');
    await expect(call(`${url}/minimax/v1/models`, undefined)).rejects.toThrow(/hang up|ECONNRESET/);
  });
});
