import {
  createServer,
  request as startRequest,
  type ClientRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { apiKeyDigest, Fault, FAULTS, generateApiKey } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import { createLogger } from '@tunan/service-kit';
import { eventually } from '@tunan/testing';
import { trustedProxies } from './client-address.js';
import { Intake } from './domain/intake.js';
import { FailedAuthentications } from './failed-authentications.js';
import { Principals } from './principals.js';
import { PublicApi } from './public-api.js';
import { Refusals } from './refusals.js';
import { RefusedWork, SMALL_BODY_BYTES } from './refused-work.js';
import { FakeAuth } from './testing/fake-auth.js';
import { knownAccount } from './testing/known-account.js';

const key = generateApiKey();
const CHAT = '/v1/chat/completions';
const BODY_BYTES_MAX = 2 * SMALL_BODY_BYTES;

interface ErrorBody {
  readonly error: { message: string; type: string; param: string | null; code: string | number };
}

describe('PublicApi', () => {
  let auth: FakeAuth;
  let clock: TestClock;
  let api: PublicApi;
  let server: Server;
  let base: string;
  let handle: () => void;
  let answered: (response: ServerResponse) => void;
  let intake: Intake;
  let handled: number;
  let loopDelayMs: number;
  let cpuMs: number;

  const begin = async (requestsMax: number): Promise<void> => {
    auth = new FakeAuth();
    auth.principals.set(apiKeyDigest(key), {
      accountId: 'acc_1',
      keyId: 'key_1',
      tier: 'free',
      models: null,
      aliases: true,
    });
    auth.inspection = knownAccount();
    clock = new TestClock();
    handled = 0;
    loopDelayMs = 0;
    cpuMs = 0;
    handle = () => undefined;
    answered = (response) => void response.end('{}');
    const refusals = new Refusals(auth, clock, new FailedAuthentications(clock, 100));
    const principals = new Principals(auth, clock, 10);
    const limits = {
      requestsMax,
      bodyBytesMax: 10 * BODY_BYTES_MAX,
      bodyBytesOne: BODY_BYTES_MAX,
      loopDelayMsMax: 250,
    };
    intake = new Intake(
      limits,
      () => loopDelayMs,
      () => 2,
    );
    api = new PublicApi(
      principals,
      refusals,
      intake,
      new RefusedWork(clock, () => cpuMs),
      clock,
      createLogger('silent'),
      {
        bodyBytesMax: BODY_BYTES_MAX,
        trustedProxies: trustedProxies(['127.0.0.0/8']),
      },
    );
    const answer = (_request: unknown, reply: { raw: ServerResponse }): void => {
      handled += 1;
      handle();
      answered(reply.raw);
    };
    api.route({ method: 'POST', path: CHAT, handle: answer });
    api.route({ method: 'GET', path: '/v1/models', handle: answer });
    api.route({ method: 'GET', path: '/v1/models/:id', handle: answer });
    const surface = await api.surface();
    server = createServer((request, response) => surface.handle(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const end = async (): Promise<void> => {
    await api.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };

  beforeEach(() => begin(2));
  afterEach(end);

  const call = async (
    method: string,
    path: string,
    headers: Record<string, string> = { authorization: `Bearer ${key}` },
    body?: string,
  ) => {
    const answer = await fetch(`${base}${path}`, {
      method,
      headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body }),
    });
    const text = await answer.text();
    const error = text === '' || answer.ok ? undefined : (JSON.parse(text) as ErrorBody).error;
    return { status: answer.status, headers: answer.headers, error, text };
  };

  /** Lets time pass until there is an answer. */
  const inTime = async <T>(answer: Promise<T>): Promise<T> => {
    let ended = false;
    void answer.finally(() => (ended = true));
    await eventually('an answer', () => {
      clock.advance(100);
      return ended;
    });
    return answer;
  };

  it.each([CHAT, '/v1/models', '/v1/models/x', '/v1/responses', '/api/user/self'])(
    'answers a preflight of %s with 204, without a key, and echoes the headers that are asked for',
    async (path) => {
      const { status, headers, text } = await call('OPTIONS', path, {
        origin: 'https://example.com',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type,x-stainless-os',
      });
      expect([status, text]).toEqual([204, '']);
      expect(headers.get('access-control-allow-origin')).toBe('*');
      expect(headers.get('access-control-allow-headers')).toBe('authorization,content-type,x-stainless-os');
      expect(headers.get('access-control-allow-methods')).toContain('OPTIONS');
      expect(headers.get('access-control-allow-credentials')).toBeNull();
      expect(headers.get('x-request-id')).not.toBeNull();
    },
  );

  it('lets a page read the headers of an answer, errors included', async () => {
    const { headers } = await call('POST', CHAT, { origin: 'https://example.com' });
    expect(headers.get('access-control-allow-origin')).toBe('*');
    for (const name of ['x-request-id', 'x-ratelimit-remaining', 'retry-after', 'x-tunan-provider'])
      expect(headers.get('access-control-expose-headers')!.split(', ')).toContain(name);
  });

  it.each([
    ['DELETE', CHAT, 'POST, OPTIONS'],
    ['GET', CHAT, 'POST, OPTIONS'],
    ['POST', '/v1/models', 'GET, OPTIONS'],
    ['PUT', '/v1/models/deepseek-chat', 'GET, OPTIONS'],
  ])('%s %s is 405 and names the methods that there are', async (method, path, allow) => {
    const { status, headers, error } = await call(method, path);
    expect([status, error!.code, headers.get('allow')]).toEqual([405, 'method_not_allowed', allow]);
  });

  it.each(['/v1/responses', '/v1/responses/resp_1', '/v1/messages', '/v1/completions'])(
    'POST %s is 404 and says what to use, in three frameworks',
    async (path) => {
      const { status, error } = await call('POST', path, undefined, '{}');
      expect([status, error!.code]).toEqual([404, 'not_found']);
      expect(error!.message).toContain(`Invalid URL (POST ${path})`);
      for (const words of ['/v1/chat/completions', 'openai.chat(', 'useResponsesApi: false', 'setOpenAIAPI'])
        expect(error!.message).toContain(words);
    },
  );

  it.each(['/v1/nothing', '/v1', '/v1/models/a/b', '/v1/chat/completions/', '/api/user'])(
    'GET %s is 404 with the error object',
    async (path) => {
      const { status, error, headers } = await call('GET', path);
      expect(status).toBe(404);
      expect(error).toEqual({
        message: `Invalid URL (GET ${path})`,
        type: 'invalid_request_error',
        param: null,
        code: 'not_found',
      });
      expect(headers.get('x-request-id')).not.toBeNull();
    },
  );

  it('says of every refusal of a known key how its limits stand, and counts it as malformed', async () => {
    handle = () => {
      throw new Fault('invalid_value', 'Too hot.', { param: 'temperature' });
    };
    const { status, headers } = await call('POST', CHAT, undefined, '{}');
    expect(status).toBe(400);
    expect(headers.get('x-ratelimit-limit')).toBe('60');
    expect(headers.get('x-ratelimit-remaining')).toBe('12');
    expect(headers.get('x-ratelimit-limit-tokens')).toBe('500000');
    expect(headers.get('openai-processing-ms')).toMatch(/^\d+$/);
    await call('POST', '/v1/nothing');
    expect(auth.inspections).toEqual([{ countedAs: 'malformed' }, { countedAs: 'malformed' }]);
  });

  it('invents no limits where the state is unknown', async () => {
    handle = () => {
      throw new Fault('invalid_value', 'Too hot.');
    };
    for (const inspection of [{ outcome: 'cold' as const, retryAfterMs: 1 }, new Error('auth is away')]) {
      auth.inspection = inspection;
      const { status, headers } = await call('POST', CHAT, undefined, '{}');
      expect(status).toBe(400);
      expect(headers.get('x-ratelimit-limit')).toBeNull();
    }
  });

  it('refuses first what comes first: a revoked key, an account that may not call, too many malformed ones', async () => {
    handle = () => {
      throw new Fault('invalid_value', 'Too hot.');
    };
    const answers: [unknown, number, string][] = [
      [knownAccount({ keyActive: false }), 401, 'invalid_api_key'],
      [knownAccount({}, 'suspended'), 403, 'account_suspended'],
      [knownAccount({}, 'unverified'), 403, 'email_unverified'],
      [knownAccount({ retryAfterMs: 1_500 }), 429, 'rate_limit_exceeded'],
    ];
    for (const [inspection, status, code] of answers) {
      auth.inspection = inspection as never;
      const { error, ...answer } = await call('POST', CHAT, undefined, '{}');
      expect([answer.status, error!.code]).toEqual([status, code]);
    }
  });

  it('shows on a 401 the limit of the client’s address, and refuses the 61st failure in a minute', async () => {
    const wrong = { authorization: 'Bearer sk-wrong' };
    for (let left = 59; left >= 0; left -= 1) {
      const { status, headers } = await call('GET', '/v1/models', wrong);
      expect([status, headers.get('x-ratelimit-limit'), headers.get('x-ratelimit-remaining')]).toEqual([
        401,
        '60',
        String(left),
      ]);
    }
    const refused = await call('GET', '/v1/models', {});
    expect([refused.status, refused.error!.code]).toEqual([429, 'rate_limit_exceeded']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
    expect((await inTime(call('GET', '/v1/models'))).status).toBe(200);
    const other = await call('GET', '/v1/models', { ...wrong, 'x-forwarded-for': '203.0.113.9' });
    expect([other.status, other.headers.get('x-ratelimit-remaining')]).toEqual([401, '59']);
    clock.advance(60_000);
    expect((await call('GET', '/v1/models', wrong)).status).toBe(401);
  });

  it('serves a key that works and was never seen, from an address where too many others have failed', async () => {
    const invent = () => call('GET', '/v1/models', { authorization: `Bearer ${generateApiKey()}` });
    for (let failed = 0; failed < 60; failed += 1) expect((await invent()).status).toBe(401);
    const answers = await inTime(Promise.all([invent(), call('GET', '/v1/models')]));
    expect(answers.map(({ status }) => status)).toEqual([429, 200]);
  });

  it('says the same of a key that is missing in form, unknown, or revoked, and asks for a bearer key', async () => {
    const bodies = new Set<string>();
    for (const authorization of ['Bearer sk-wrong', `Bearer ${generateApiKey()}`, 'Basic YTpi', 'Bearer']) {
      const { status, headers, text } = await call('POST', CHAT, { authorization }, '{}');
      expect([status, headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
      bodies.add(text);
    }
    expect(bodies.size).toBe(1);
    expect(handled).toBe(0);
    expect((await call('POST', CHAT, {}, '{}')).error!.code).toBe('missing_api_key');
  });

  it('refuses a body that is too large or no JSON by its type, with the error object', async () => {
    const large = await call('POST', CHAT, undefined, 'x'.repeat(BODY_BYTES_MAX + 1));
    expect([large.status, large.error!.code]).toEqual([413, 'request_too_large']);
    const text = await call(
      'POST',
      CHAT,
      { authorization: `Bearer ${key}`, 'content-type': 'text/plain' },
      '{}',
    );
    expect([text.status, text.error!.code]).toEqual([415, 'unsupported_media_type']);
  });

  it('describes every endpoint and the errors that it can have, without a key', async () => {
    const { status, text } = await call('GET', '/openapi.json', {});
    expect(status).toBe(200);
    const document = JSON.parse(text) as {
      openapi: string;
      paths: Record<
        string,
        Record<string, { summary: string; responses: Record<string, { description: string }> }>
      >;
    };
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths)).toEqual([CHAT, '/v1/models', '/v1/models/{id}']);
    const { summary, responses } = document.paths[CHAT]!['post']!;
    expect(summary).not.toBe('');
    const codes = new Set(Object.values(responses).flatMap(({ description }) => description.split(', ')));
    const unsaid = Object.values(FAULTS).filter(({ code }) => !codes.has(String(code)));
    expect(unsaid.map(({ code }) => code)).toEqual([
      ...['not_found', 'method_not_allowed', 'upgrade_not_supported', 'client_closed'],
    ]);
    const ofModels = document.paths['/v1/models']!['get']!.responses;
    expect(Object.keys(ofModels).map(Number)).toEqual([200, 400, 401, 408, 414, 417, 429, 431, 500, 503]);
    expect((await call('POST', '/openapi.json')).headers.get('allow')).toBe('GET, OPTIONS');
  });

  it('echoes a client’s own request id if it is short and printable', async () => {
    const authorization = `Bearer ${key}`;
    const echoed = await call('GET', '/v1/models/x', { authorization, 'x-client-request-id': 'mine-1' });
    expect(echoed.headers.get('x-request-id')).not.toBe('mine-1');
    for (const id of ['a b', 'x'.repeat(129)]) {
      const { headers } = await call('GET', '/v1/nothing', { authorization, 'x-client-request-id': id });
      expect(headers.get('x-client-request-id')).toBeNull();
    }
    const refused = await call('GET', '/v1/nothing', { authorization, 'x-client-request-id': 'mine-1' });
    expect(refused.headers.get('x-client-request-id')).toBe('mine-1');
  });

  describe('work on large bodies', () => {
    const large = `{"x":"${'x'.repeat(SMALL_BODY_BYTES)}"}`;
    const send = (body = large) => call('POST', CHAT, undefined, body);

    it('that was for nothing keeps further ones of the account out, unread, for a while', async () => {
      handle = () => {
        cpuMs += 300;
        throw new Fault('missing_required_parameter', 'No model.');
      };
      for (let sent = 0; sent < 2; sent += 1) expect((await send()).status).toBe(400);
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
      for (const framing of [
        { 'content-length': String(large.length) },
        { 'transfer-encoding': 'chunked' },
      ]) {
        const upload = startRequest(`${base}${CHAT}`, {
          method: 'POST',
          headers: { ...headers, ...framing },
        });
        const refused = await new Promise<IncomingMessage>((resolve) => {
          upload
            .once('response', resolve)
            .on('error', () => undefined)
            .flushHeaders();
        });
        expect([refused.statusCode, refused.headers['retry-after']]).toEqual([429, '2']);
        expect(refused.headers['x-ratelimit-remaining']).toBe('12');
        upload.destroy();
      }
      expect(handled).toBe(2);
      handle = () => undefined;
      expect((await send('{}')).status).toBe(200);
      clock.advance(2_000);
      expect((await send()).status).toBe(200);
    });

    it('that was asked for by who did not wait for the answer was for nothing, too', async () => {
      const asked: ClientRequest[] = [];
      handle = () => {
        cpuMs += 600;
        asked.pop()!.destroy();
        throw new Fault('missing_required_parameter', 'No model.');
      };
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
      const upload = startRequest(`${base}${CHAT}`, { method: 'POST', headers });
      asked.push(upload.on('error', () => undefined));
      upload.end(large);
      await eventually('it is refused', async () => (await send()).status === 429);
      expect(handled).toBe(1);
    });

    it('that was of use keeps nobody out', async () => {
      handle = () => void (cpuMs += 1_000);
      for (let sent = 0; sent < 5; sent += 1) expect((await send()).status).toBe(200);
    });
  });

  it('refuses uploads beyond what an account may have on the way, and none that has arrived', async () => {
    await end();
    await begin(1_000);
    const unanswered: ServerResponse[] = [];
    answered = (response) => void unanswered.push(response);
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const open = (): ClientRequest => {
      const upload = startRequest(`${base}${CHAT}`, { method: 'POST', headers, agent: false });
      upload.on('error', () => undefined).write('{');
      return upload;
    };
    for (let count = 0; count < 20; count += 1) open().end('}');
    await eventually('they have arrived', () => unanswered.length === 20);
    const uploads = Array.from({ length: 8 }, open);
    await eventually('they are on the way', () => intake.occupied.requests === 28);
    const refused = await call('POST', CHAT, undefined, '{}');
    expect(refused).toMatchObject({ status: 429, error: { code: 'rate_limit_exceeded' } });
    uploads[0]!.destroy();
    await eventually('one has left', () => intake.occupied.requests === 27);
    answered = (response) => response.end('{}');
    expect((await call('POST', CHAT, undefined, '{}')).status).toBe(200);
  });

  it('sheds load before it reads a body: 503 and Retry-After; a client that left has made room', async () => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const upload = startRequest(`${base}${CHAT}`, { method: 'POST', headers });
    upload.on('error', () => undefined).write('{');
    await eventually('the upload is taken on', () => intake.occupied.requests === 1);
    loopDelayMs = 300;
    const refused = await call('POST', CHAT, undefined, '{}');
    expect(refused).toMatchObject({ status: 503, error: { code: 'service_unavailable' } });
    expect(refused.headers.get('retry-after')).toBe('1');
    upload.destroy();
    await eventually('the upload is forgotten', () => intake.occupied.requests === 0);
    for (let i = 0; i < 6; i += 1) expect((await call('POST', CHAT, undefined, '{}')).status).toBe(200);
    expect(handled).toBe(6);
    expect(intake.occupied).toEqual({ requests: 0, bytes: 0 });
  });
});
