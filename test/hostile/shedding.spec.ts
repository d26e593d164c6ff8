import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@tunan/testing';
import { request, rightChat } from './hostile-case.js';
import { startHostileRig, type HostileRig } from './hostile-rig.js';
import { readOpenAiError } from './openai-error.js';
import { exchange, type RawAnswer } from './raw-http.js';

/** Free requests get four fifths of it, and an account a quarter. */
const REQUESTS_MAX = 16;
const CONNECTIONS_MAX = 40;
const CONNECTIONS_PER_ADDRESS_MAX = 10;
/** The rig's own clients come by 127.0.0.1, which is a trusted proxy. */
const STRANGER = '127.0.0.2';

const body = JSON.stringify(rightChat);

describe('a host that is full', () => {
  let rig: HostileRig;
  const open = new Set<Socket>();

  beforeAll(async () => {
    rig = await startHostileRig({
      INGRESS_REQUESTS_IN_FLIGHT_MAX: String(REQUESTS_MAX),
      TUNAN_CONNECTIONS_MAX: String(CONNECTIONS_MAX),
      TUNAN_CONNECTIONS_PER_ADDRESS_MAX: String(CONNECTIONS_PER_ADDRESS_MAX),
    });
  }, 240_000);

  const leaveAll = (): void => {
    for (const socket of open) socket.destroy();
    open.clear();
  };

  afterEach(async () => {
    leaveAll();
    await eventually('there is room', async () => (await ask(rig.otherKey)).status === 200);
    expect(await rig.holds()).toBe(0);
    await rig.alive();
  }, 60_000);

  afterAll(async () => {
    expect(await rig.stop()).toBe(0);
  }, 60_000);

  /** Opens a connection that stays, and sends what is given. */
  const stay = async (bytes: string | Buffer = '', localAddress = '127.0.0.1'): Promise<void> => {
    const socket = connect({ port: rig.port, host: '127.0.0.1', localAddress });
    open.add(socket);
    socket.on('error', () => undefined);
    socket.resume();
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write(bytes);
  };

  const ask = async (key: string, localAddress = '127.0.0.1'): Promise<RawAnswer> => {
    const { answers } = await exchange(rig.port, [request({ key, body })], { localAddress });
    return answers[0]!;
  };

  /** Begins uploads of an account that never end. */
  const occupy = async (key: string, count: number): Promise<void> => {
    for (let index = 0; index < count; index += 1)
      await stay(request({ key, lines: 'Content-Length: 1000\r\n' }));
  };

  const expectRefused = (answer: RawAnswer, status: number, code: string): void => {
    expect(answer.status).toBe(status);
    expect(readOpenAiError(answer).code).toBe(code);
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
  };

  it('refuses free requests first, then paid ones, and an account beyond its quarter, before anything is called', async () => {
    const free: string[] = [];
    for (let index = 0; index < 4; index += 1) free.push((await rig.newAccount()).apiKey);
    const [paid, payingToo] = [await rig.newAccount({ paid: true }), await rig.newAccount({ paid: true })];
    for (const key of [...free, paid.apiKey, payingToo.apiKey]) expect((await ask(key)).status).toBe(200);
    const before = await rig.callsUpstream();
    for (const key of free.slice(0, 3)) await occupy(key, 4);
    await eventually('the first account has its quarter', async () => (await ask(free[0]!)).status === 429);
    expectRefused(await ask(free[0]!), 429, 'rate_limit_exceeded');
    await occupy(free[3]!, 1);
    await eventually('free requests are refused', async () => (await ask(free[3]!)).status === 503);
    expectRefused(await ask(free[3]!), 503, 'service_unavailable');
    expect((await ask(paid.apiKey)).status).toBe(200);
    await occupy(paid.apiKey, 3);
    await eventually('paid requests are refused', async () => (await ask(payingToo.apiKey)).status === 503);
    expectRefused(await ask(payingToo.apiKey), 503, 'service_unavailable');
    const served = (await rig.callsUpstream()) - before;
    leaveAll();
    await eventually('there is room', async () => (await ask(free[0]!)).status === 200);
    // What was asked while it filled may have been served; nothing of what was refused was.
    expect(served).toBeGreaterThanOrEqual(1);
    expect(await rig.holds()).toBe(0);
  }, 120_000);

  it('has so many connections for an address, more for a trusted proxy, and tells the others', async () => {
    for (let index = 0; index < CONNECTIONS_PER_ADDRESS_MAX; index += 1) await stay('', STRANGER);
    await eventually(
      'the address has its share',
      async () => (await ask(rig.otherKey, STRANGER)).status === 429,
    );
    expectRefused(await ask(rig.otherKey, STRANGER), 429, 'rate_limit_exceeded');
    expect((await ask(rig.otherKey)).status).toBe(200);
    for (let index = CONNECTIONS_PER_ADDRESS_MAX; index < CONNECTIONS_MAX; index += 1) await stay();
    await eventually('it is full', async () => (await ask(rig.otherKey)).status === 503);
    expectRefused(await ask(rig.otherKey), 503, 'service_unavailable');
  }, 120_000);
});
