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

/** Connections to a host that stay until they all leave. */
class Crowd {
  readonly #open = new Set<Socket>();

  constructor(private readonly rig: () => HostileRig) {}

  /** Opens a connection that stays, and sends what is given. */
  async stay(bytes: string | Buffer = '', localAddress = '127.0.0.1'): Promise<void> {
    const socket = connect({ port: this.rig().port, host: '127.0.0.1', localAddress });
    this.#open.add(socket);
    socket.on('error', () => undefined);
    socket.resume();
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write(bytes);
  }

  /** Begins uploads of an account that never end. */
  async occupy(key: string, count: number): Promise<void> {
    for (let index = 0; index < count; index += 1)
      await this.stay(request({ key, lines: 'Content-Length: 1000\r\n' }));
  }

  leave(): void {
    for (const socket of this.#open) socket.destroy();
    this.#open.clear();
  }

  /** A request of one who does not stay. */
  async ask(key: string, localAddress = '127.0.0.1'): Promise<RawAnswer> {
    const { answers } = await exchange(this.rig().port, [request({ key, body })], { localAddress });
    return answers[0]!;
  }
}

const expectRefused = (answer: RawAnswer, status: number, code: string): void => {
  expect(answer.status).toBe(status);
  expect(readOpenAiError(answer).code).toBe(code);
  expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
  expect(answer.headers.get('access-control-allow-origin')).toBe('*');
};

describe('a host that is full', () => {
  let rig: HostileRig;
  const crowd = new Crowd(() => rig);

  beforeAll(async () => {
    rig = await startHostileRig({
      INGRESS_REQUESTS_IN_FLIGHT_MAX: String(REQUESTS_MAX),
      TUNAN_CONNECTIONS_MAX: String(CONNECTIONS_MAX),
      TUNAN_CONNECTIONS_PER_ADDRESS_MAX: String(CONNECTIONS_PER_ADDRESS_MAX),
    });
  }, 240_000);

  afterEach(async () => {
    crowd.leave();
    await eventually('there is room', async () => (await crowd.ask(rig.otherKey)).status === 200);
    expect(await rig.holds()).toBe(0);
    await rig.alive();
  }, 60_000);

  afterAll(async () => {
    expect(await rig.stop()).toBe(0);
  }, 60_000);

  it('refuses free requests first, then paid ones, and an account beyond its quarter, before anything is called', async () => {
    const free: string[] = [];
    for (let index = 0; index < 4; index += 1) free.push((await rig.newAccount()).apiKey);
    const [paid, payingToo] = [await rig.newAccount({ paid: true }), await rig.newAccount({ paid: true })];
    for (const key of [...free, paid.apiKey, payingToo.apiKey])
      expect((await crowd.ask(key)).status).toBe(200);
    const before = await rig.callsUpstream();
    for (const key of free.slice(0, 3)) await crowd.occupy(key, 4);
    await eventually(
      'the first account has its quarter',
      async () => (await crowd.ask(free[0]!)).status === 429,
    );
    expectRefused(await crowd.ask(free[0]!), 429, 'rate_limit_exceeded');
    await crowd.occupy(free[3]!, 1);
    await eventually('free requests are refused', async () => (await crowd.ask(free[3]!)).status === 503);
    expectRefused(await crowd.ask(free[3]!), 503, 'service_unavailable');
    expect((await crowd.ask(paid.apiKey)).status).toBe(200);
    await crowd.occupy(paid.apiKey, 3);
    await eventually(
      'paid requests are refused',
      async () => (await crowd.ask(payingToo.apiKey)).status === 503,
    );
    expectRefused(await crowd.ask(payingToo.apiKey), 503, 'service_unavailable');
    const served = (await rig.callsUpstream()) - before;
    crowd.leave();
    await eventually('there is room', async () => (await crowd.ask(free[0]!)).status === 200);
    // What was asked while it filled may have been served; nothing of what was refused was.
    expect(served).toBeGreaterThanOrEqual(1);
    expect(await rig.holds()).toBe(0);
  }, 120_000);

  it('has so many connections for an address, more for a trusted proxy, and tells the others', async () => {
    // More than there is room for: where one that is about to close still counts, one that was to stay is refused.
    for (let index = 0; index < 2 * CONNECTIONS_PER_ADDRESS_MAX; index += 1) await crowd.stay('', STRANGER);
    await eventually(
      'the address has its share',
      async () => (await crowd.ask(rig.otherKey, STRANGER)).status === 429,
    );
    expectRefused(await crowd.ask(rig.otherKey, STRANGER), 429, 'rate_limit_exceeded');
    expect((await crowd.ask(rig.otherKey)).status).toBe(200);
    for (let index = 0; index < CONNECTIONS_MAX; index += 1) await crowd.stay();
    await eventually('it is full', async () => (await crowd.ask(rig.otherKey)).status === 503);
    expectRefused(await crowd.ask(rig.otherKey), 503, 'service_unavailable');
  }, 120_000);
});

const LATE_LOOP = new URL('late-loop.mjs', import.meta.url).href;

describe('a host whose event loop is late', () => {
  let rig: HostileRig;
  const crowd = new Crowd(() => rig);

  beforeAll(async () => {
    rig = await startHostileRig({
      INGRESS_REQUESTS_IN_FLIGHT_MAX: String(REQUESTS_MAX),
      INGRESS_LOOP_DELAY_MS_MAX: '250',
      NODE_OPTIONS: `--import=${LATE_LOOP}`,
    });
  }, 240_000);

  afterAll(async () => {
    crowd.leave();
    expect(await rig.stop()).toBe(0);
  }, 60_000);

  it('refuses what comes while it has much to do, before the body and before anything is called, and recovers', async () => {
    const toggle = () => rig.host.child.kill('SIGUSR2');
    const [one, other] = [(await rig.newAccount()).apiKey, (await rig.newAccount()).apiKey];
    const paid = (await rig.newAccount({ paid: true })).apiKey;
    const isServed = async () => (await crowd.ask(paid)).status === 200;
    for (const key of [one, other]) await crowd.occupy(key, 4);
    await eventually('a busy host that is in time serves', isServed, 60_000);
    toggle();
    await eventually('it is late', async () => (await crowd.ask(paid)).status === 503, 60_000);
    const calls = await rig.callsUpstream();
    const { answers } = await exchange(rig.port, [request({ key: paid, lines: 'Content-Length: 1000\r\n' })]);
    expectRefused(answers[0]!, 503, 'service_unavailable');
    expect(await rig.callsUpstream()).toBe(calls);
    crowd.leave();
    await eventually('a late host that has little to do serves', isServed, 60_000);
    for (const key of [one, other]) await crowd.occupy(key, 4);
    await eventually('it has much to do again', async () => (await crowd.ask(paid)).status === 503, 60_000);
    toggle();
    await eventually('it is in time again', isServed, 60_000);
    crowd.leave();
    await eventually('no hold is left', async () => (await rig.holds()) === 0);
  }, 300_000);
});
