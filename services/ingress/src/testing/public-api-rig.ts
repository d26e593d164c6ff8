import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Principal } from '@tunan/contracts';
import { apiKeyDigest, generateApiKey } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import { createLogger } from '@tunan/service-kit';
import { eventually } from '@tunan/testing';
import { trustedProxies } from '../client-address.js';
import { Intake } from '../domain/intake.js';
import { FailedAuthentications } from '../failed-authentications.js';
import { Principals } from '../principals.js';
import { PublicApi } from '../public-api.js';
import { RefusedWork, SMALL_BODY_BYTES } from '../refused-work.js';
import { Refusals } from '../refusals.js';
import { FakeAuth } from './fake-auth.js';
import { knownAccount } from './known-account.js';

/** A key that works, of {@link PRINCIPAL}. */
export const key = generateApiKey();
export const PRINCIPAL: Principal = {
  accountId: 'acc_1',
  keyId: 'key_1',
  tier: 'free',
  models: null,
  aliases: true,
};
export const CHAT = '/v1/chat/completions';
export const BODY_BYTES_MAX = 2 * SMALL_BODY_BYTES;

interface ErrorBody {
  readonly error: { message: string; type: string; param: string | null; code: string | number };
}

/** The public API behind a real socket, with endpoints that do what a test says, under virtual time. */
export class PublicApiRig {
  readonly auth = new FakeAuth();
  readonly clock = new TestClock();
  intake!: Intake;
  base!: string;
  /** What endpoints do with a request, and then with its answer. */
  handle: () => void = () => undefined;
  answered: (response: ServerResponse) => void = (response) => void response.end('{}');
  /** Requests that came to an endpoint. */
  handled = 0;
  loopDelayMs = 0;
  /** CPU time that was used so far. */
  cpuMs = 0;
  #api!: PublicApi;
  #server!: Server;

  async start(requestsMax = 2): Promise<void> {
    const { auth, clock } = this;
    auth.principals.set(apiKeyDigest(key), PRINCIPAL);
    auth.inspection = knownAccount();
    this.intake = new Intake(
      { requestsMax, bodyBytesMax: 10 * BODY_BYTES_MAX, bodyBytesOne: BODY_BYTES_MAX, loopDelayMsMax: 250 },
      () => this.loopDelayMs,
      () => 2,
    );
    const api = (this.#api = new PublicApi(
      new Principals(auth, clock, 10),
      new Refusals(auth, clock, new FailedAuthentications(clock, 100)),
      this.intake,
      new RefusedWork(clock, () => this.cpuMs),
      clock,
      createLogger('silent'),
      { bodyBytesMax: BODY_BYTES_MAX, trustedProxies: trustedProxies(['127.0.0.0/8']) },
    ));
    const handle = (_request: unknown, reply: { raw: ServerResponse }): void => {
      this.handled += 1;
      this.handle();
      this.answered(reply.raw);
    };
    api.route({ method: 'POST', path: CHAT, handle });
    api.route({ method: 'GET', path: '/v1/models', handle });
    api.route({ method: 'GET', path: '/v1/models/:id', handle });
    const surface = await api.surface();
    this.#server = createServer((request, response) => surface.handle(request, response));
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.base = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    await this.#api.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async call(
    method: string,
    path: string,
    headers: Record<string, string> = { authorization: `Bearer ${key}` },
    body?: string,
  ) {
    const answer = await fetch(`${this.base}${path}`, {
      method,
      headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body }),
    });
    const text = await answer.text();
    const error = text === '' || answer.ok ? undefined : (JSON.parse(text) as ErrorBody).error;
    return { status: answer.status, headers: answer.headers, error, text };
  }

  /** Lets time pass until there is an answer. */
  async inTime<T>(answer: Promise<T>): Promise<T> {
    let ended = false;
    void answer.finally(() => (ended = true));
    await eventually('an answer', () => {
      this.clock.advance(100);
      return ended;
    });
    return answer;
  }
}
