import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from '@jest/globals';
import type { CatalogModel } from '@tunan/contracts';
import { TestClock } from '@tunan/kernel/testing';
import { createLogger } from '@tunan/service-kit';
import { Inference, type InferenceRequest } from '../chat/inference.js';
import { OpenExchanges } from '../chat/open-exchanges.js';
import { FakeAuth } from './fake-auth.js';
import { ScriptedRouter } from './scripted-router.js';

export const WRITE_STALL_MS = 60_000;
export const KEEP_ALIVE_MS = 15_000;
/** A frame with content. */
export const CONTENT = Buffer.from('data: {"choices":[{"delta":{"content":"Hello"}}],"usage":null}\n\n');

/** `Inference` behind a real socket, between an `auth` and a router that a test leads by hand, under virtual time. */
export class InferenceRig {
  readonly auth = new FakeAuth();
  readonly router = new ScriptedRouter();
  readonly clock = new TestClock();
  readonly exchanges = new OpenExchanges(this.clock);
  /** How requests differ from a plain unary one. */
  facts: Partial<InferenceRequest> = {};
  /** The answer under way, as the server has it. */
  answer!: ServerResponse;
  /** Faults that `run` leaves to its caller. */
  readonly thrown: unknown[] = [];
  readonly #server: Server;

  constructor() {
    const logger = createLogger('silent');
    const { auth, router, clock, exchanges } = this;
    const times = { keepAliveMs: KEEP_ALIVE_MS, writeStallMs: WRITE_STALL_MS, exchangeMsMax: 600_000 };
    const inference = new Inference(auth, router, exchanges, clock, logger, times);
    this.#server = createServer((_request, response) => {
      this.answer = response;
      inference.run(this.#request(), response).catch((error: unknown) => {
        this.thrown.push(error);
        response.writeHead(400).end();
      });
    });
  }

  async start(): Promise<void> {
    this.exchanges.start();
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** A client that sees the answer as it comes. */
  call() {
    const seen = { text: '', status: 0, headers: {} as IncomingMessage['headers'] };
    const { port } = this.#server.address() as AddressInfo;
    const request = httpRequest({ host: '127.0.0.1', port, method: 'POST', agent: false });
    const answered = new Promise<void>((resolve) => {
      request.once('response', (response) => {
        seen.status = response.statusCode!;
        seen.headers = response.headers;
        response.on('data', (chunk: Buffer) => (seen.text += chunk.toString()));
        response.once('close', resolve);
      });
      request.once('error', () => resolve());
    });
    request.end();
    return { seen, answered, leave: () => request.destroy() };
  }

  #request(): InferenceRequest {
    return {
      requestId: 'r1',
      apiKey: 'sk-x',
      principal: { accountId: 'acc_1', keyId: 'key_1', tier: 'free', models: null, aliases: true },
      operation: 'chat',
      model: { id: 'deepseek-chat' } as CatalogModel,
      alias: undefined,
      catalogVersion: 1,
      body: { model: 'deepseek-chat', messages: [{ role: 'user', content: 'Hi' }] },
      stream: false,
      strictParameters: false,
      includeUsage: false,
      completions: 1,
      ceiling: null,
      promptLikely: 10,
      promptBound: 20,
      timeouts: { headersMs: null, silenceMs: null, totalMs: null },
      idempotency: undefined,
      traceparent: undefined,
      startedMs: this.clock.monotonicMs(),
      headers: { 'x-request-id': 'r1' },
      ...this.facts,
    };
  }
}

/** Lets sockets and promises do what is pending. */
export const settleDown = async (until: () => boolean): Promise<void> => {
  const endMs = performance.now() + 2_000;
  while (!until() && performance.now() < endMs) await new Promise((resolve) => setImmediate(resolve));
  expect(until()).toBe(true);
};
