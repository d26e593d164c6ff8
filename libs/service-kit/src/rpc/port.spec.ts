import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call, nano, type ContractSpec, type Port } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import { z } from 'zod';
import { PeerSet } from '../http/peer-set.js';
import { Callers } from './callers.js';
import { httpPort } from './http-port.js';
import { RpcServer } from './http-server.js';
import { localPort } from './local-port.js';

const bank = {
  service: 'billing',
  calls: {
    double: call(z.object({ amount: nano }), z.object({ amount: nano }), {
      callers: ['auth'],
      timeoutMs: 1_000,
    }),
    refuse: call(z.object({}), z.object({}), { callers: ['auth'], timeoutMs: 1_000 }),
    crash: call(z.object({}), z.object({}), { callers: ['auth'], timeoutMs: 1_000 }),
    hang: call(z.object({}), z.object({}), { callers: ['auth'], timeoutMs: 100 }),
    forbidden: call(z.object({}), z.object({}), { callers: ['account'], timeoutMs: 1_000 }),
  },
} as const satisfies ContractSpec;

const implementation: Port<typeof bank> = {
  double: ({ amount }) => Promise.resolve({ amount: amount * 2n }),
  refuse: () =>
    Promise.reject(new Fault('context_length_exceeded', 'Too long.', { param: 'messages', retryAfterMs: 7 })),
  crash: () => Promise.reject(new TypeError('secret detail')),
  hang: () => new Promise(() => undefined),
  forbidden: () => Promise.resolve({}),
};

const MAY_ANSWER = 0;
const HAS_ANSWERED = 1;

/** Says when a call has come, answers it when it may, and says that it has. */
const PUNCTUAL_PEER = `
const { createServer } = require('node:http');
const { parentPort, workerData } = require('node:worker_threads');
const shared = new Int32Array(workerData);
const server = createServer((request, response) => {
  request.resume().on('end', () => {
    parentPort.postMessage('a call has come');
    Atomics.wait(shared, ${MAY_ANSWER}, 0);
    response.end('{"results":[{"reply":{}}]}', () => {
      Atomics.store(shared, ${HAS_ANSWERED}, 1);
      Atomics.notify(shared, ${HAS_ANSWERED});
    });
  });
});
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

const faultOf = (promise: Promise<unknown>): Promise<Fault> =>
  promise.then(
    () => {
      throw new Error('no fault');
    },
    (error: unknown) => error as Fault,
  );

/** What a caller may rely on, whichever way the call travels. */
const describeBinding = (name: string, open: () => Port<typeof bank>) => {
  describe(`a contract bound ${name}`, () => {
    let port: Port<typeof bank>;
    beforeAll(() => {
      port = open();
    });

    it('carries amounts beyond 2^53 exactly', async () => {
      expect(await port.double({ amount: 9_007_199_254_740_993n })).toEqual({
        amount: 18_014_398_509_481_986n,
      });
    });

    it('answers calls of one tick each with its own reply', async () => {
      const amounts = Array.from({ length: 600 }, (_, index) => BigInt(index));
      const replies = await Promise.all(amounts.map((amount) => port.double({ amount })));
      expect(replies.map((reply) => reply.amount)).toEqual(amounts.map((amount) => amount * 2n));
    });

    it('hands a fault of the callee through, and does not let it fail another call of the same tick', async () => {
      const [fault, reply] = await Promise.all([faultOf(port.refuse({})), port.double({ amount: 1n })]);
      expect(fault).toMatchObject({
        code: 'context_length_exceeded',
        publicMessage: 'Too long.',
        param: 'messages',
        retryAfterMs: 7,
      });
      expect(reply).toEqual({ amount: 2n });
    });

    it('turns any other error into internal_error, whose public message tells nothing', async () => {
      const fault = await faultOf(port.crash({}));
      expect(fault.code).toBe('internal_error');
      expect(fault.publicMessage).not.toContain('secret');
    });
  });
};

describe('bindings', () => {
  let server: Server;
  const peerSets: PeerSet[] = [];
  let url: string;

  const connect = (token = 'new'): Port<typeof bank> => {
    const peers = new PeerSet(url, 4);
    peerSets.push(peers);
    return httpPort(bank, peers, token);
  };

  beforeAll(async () => {
    const rpc = new RpcServer(new Callers({ auth: ['new', 'old'], router: ['third'] }));
    rpc.provide({ contract: bank, implementation });
    server = createServer((request, response) => void rpc.handle(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(async () => {
    await Promise.all(peerSets.map((peers) => peers.close()));
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  describeBinding('in one process', () => localPort(bank, () => implementation));
  describeBinding('over HTTP', () => connect());

  it('fails as unavailable while the callee has not started in this process', async () => {
    expect(await faultOf(localPort(bank, () => undefined).double({ amount: 1n }))).toMatchObject({
      code: 'service_unavailable',
    });
  });

  it('fails as unavailable when nobody listens', async () => {
    const peers = new PeerSet('http://127.0.0.1:9', 1);
    expect(await faultOf(httpPort(bank, peers, 'new').double({ amount: 1n }))).toMatchObject({
      code: 'service_unavailable',
    });
    await peers.close();
  });

  it('gives up a call after the time that its contract allows', async () => {
    expect(await faultOf(connect().hang({}))).toMatchObject({ code: 'service_unavailable' });
  });

  // Guarantee: a process that was busy itself does not give up what was answered in time, and fail its client for it.
  it('reads an answer that came in time before it gives up', async () => {
    const shared = new Int32Array(new SharedArrayBuffer(8));
    const peer = new Worker(PUNCTUAL_PEER, { eval: true, workerData: shared.buffer });
    try {
      const [port] = (await once(peer, 'message')) as [number];
      const peers = new PeerSet(`http://127.0.0.1:${port}`, 1);
      peerSets.push(peers);
      const called = performance.now();
      const reply = httpPort(bank, peers, 'new').crash({});
      await once(peer, 'message');
      // From here on this event loop is busy: the answer comes, and then the time is over.
      Atomics.store(shared, MAY_ANSWER, 1);
      Atomics.notify(shared, MAY_ANSWER);
      Atomics.wait(shared, HAS_ANSWERED, 0);
      while (performance.now() < called + 2 * bank.calls.crash.timeoutMs);
      expect(await reply).toEqual({});
    } finally {
      await peer.terminate();
    }
  });

  it('accepts the old token of a caller while it is rotated', async () => {
    expect(await connect('old').double({ amount: 2n })).toEqual({ amount: 4n });
  });

  it.each([
    ['an unknown token', 'wrong'],
    ['the token of a service that does not need the call', 'third'],
  ])('refuses %s', async (_, token) => {
    expect(await faultOf(connect(token).double({ amount: 1n }))).toBeInstanceOf(Fault);
  });

  it('refuses a caller that the call is not for', async () => {
    expect(await faultOf(connect().forbidden({}))).toMatchObject({ code: 'model_not_allowed' });
  });
});
