import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '@tunan/config';
import { SystemClock } from '@tunan/kernel';
import { createSimulator } from '../create-simulator.js';
import { simulatorConfig } from '../simulator-config.js';
import { call } from '../testing/http-client.js';

/** Something was handed to the connection: what, and what the log file held at that moment. */
interface Sent {
  readonly what: string;
  readonly bytes: string;
  readonly logged: readonly string[];
}

let folder: string;
let server: Server;
let url: string;
let sent: Sent[] = [];

const logged = (): string[] =>
  [...readFileSync(join(folder, 'served.jsonl'), 'utf8').matchAll(/"event":"(\w+)"/g)].map(
    ([, event]) => event!,
  );

/** Records the log file's state each time the simulator sends something. */
const observe = (response: ServerResponse): void => {
  const before = logged().length;
  for (const what of ['write', 'end', 'flushHeaders'] as const) {
    const original = response[what].bind(response) as (...args: unknown[]) => unknown;
    response[what] = ((...args: unknown[]) => {
      sent.push({ what, bytes: String(args[0] ?? ''), logged: logged().slice(before) });
      return original(...args);
    }) as never;
  }
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'simulator-order-'));
  const simulator = createSimulator(readConfig(simulatorConfig, {}), new SystemClock(), folder);
  server = createServer((request, response) => {
    observe(response);
    simulator.handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/deepseek/chat/completions`;
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});

const ask = async (directive: string, body: Record<string, unknown> = {}): Promise<readonly Sent[]> => {
  sent = [];
  const messages = [{ role: 'user', content: `[[sim ${directive}]]` }];
  await call(url, { model: 'deepseek-flash', messages, ...body });
  return sent;
};

// Not a race that is usually won: at the moment of each write the file has the entry already.
describe('the log file, whenever bytes are sent', () => {
  it('has the plan of a stream before its headers and the end before its last bytes', async () => {
    const all = await ask('tokens=4 chunks_per_write=1', { stream: true });
    expect(all[0]).toMatchObject({ what: 'flushHeaders', logged: ['accepted', 'answering'] });
    expect(all.length).toBeGreaterThan(4);
    for (const { bytes, logged: events } of all)
      expect(events).toEqual(
        bytes.includes('[DONE]') ? ['accepted', 'answering', 'ended'] : ['accepted', 'answering'],
      );
  });

  it('has the end of a JSON answer, and of an error, before its only bytes', async () => {
    expect(await ask('tokens=4')).toMatchObject([
      { what: 'end', logged: ['accepted', 'answering', 'ended'] },
    ]);
    expect(await ask('fault=status:503')).toMatchObject([{ what: 'end', logged: ['accepted', 'ended'] }]);
  });

  it('has the plan before a slow JSON answer begins and the end before its last slice', async () => {
    const all = await ask('tokens=4 bytes_per_second=8000');
    expect(all.filter(({ what }) => what === 'write').length).toBeGreaterThan(0);
    expect(all.map(({ logged: events }) => events.length)).toEqual([...Array(all.length - 1).fill(2), 3]);
  });
});
