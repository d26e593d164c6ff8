import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { apiKeyDigest, Fault, FAULTS, generateApiKey } from '@tunan/kernel';
import { invalidApiKey } from './domain/bearer-token.js';
import { knownAccount } from './testing/known-account.js';
import { BODY_BYTES_MAX, CHAT, key, PRINCIPAL, PublicApiRig } from './testing/public-api-rig.js';

describe('PublicApi', () => {
  let rig: PublicApiRig;

  beforeEach(async () => {
    rig = new PublicApiRig();
    await rig.start();
  });
  afterEach(() => rig.stop());

  it.each([CHAT, '/v1/models', '/v1/models/x', '/v1/responses', '/api/user/self'])(
    'answers a preflight of %s with 204, without a key, and echoes the headers that are asked for',
    async (path) => {
      const { status, headers, text } = await rig.call('OPTIONS', path, {
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
    const { headers } = await rig.call('POST', CHAT, { origin: 'https://example.com' });
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
    const { status, headers, error } = await rig.call(method, path);
    expect([status, error!.code, headers.get('allow')]).toEqual([405, 'method_not_allowed', allow]);
  });

  it.each(['/v1/responses', '/v1/responses/resp_1', '/v1/messages', '/v1/completions'])(
    'POST %s is 404 and says what to use, in three frameworks',
    async (path) => {
      const { status, error } = await rig.call('POST', path, undefined, '{}');
      expect([status, error!.code]).toEqual([404, 'not_found']);
      expect(error!.message).toContain(`Invalid URL (POST ${path})`);
      for (const words of ['/v1/chat/completions', 'openai.chat(', 'useResponsesApi: false', 'setOpenAIAPI'])
        expect(error!.message).toContain(words);
    },
  );

  it.each(['/v1/nothing', '/v1', '/v1/models/a/b', '/v1/chat/completions/', '/api/user'])(
    'GET %s is 404 with the error object',
    async (path) => {
      const { status, error, headers } = await rig.call('GET', path);
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
    rig.handle = () => {
      throw new Fault('invalid_value', 'Too hot.', { param: 'temperature' });
    };
    const { status, headers } = await rig.call('POST', CHAT, undefined, '{}');
    expect(status).toBe(400);
    expect(headers.get('x-ratelimit-limit')).toBe('60');
    expect(headers.get('x-ratelimit-remaining')).toBe('12');
    expect(headers.get('x-ratelimit-limit-tokens')).toBe('500000');
    expect(headers.get('openai-processing-ms')).toMatch(/^\d+$/);
    await rig.call('POST', '/v1/nothing');
    expect(rig.auth.inspections).toEqual([{ countedAs: 'malformed' }, { countedAs: 'malformed' }]);
  });

  it('invents no limits where the state is unknown', async () => {
    rig.handle = () => {
      throw new Fault('invalid_value', 'Too hot.');
    };
    for (const inspection of [{ outcome: 'cold' as const, retryAfterMs: 1 }, new Error('auth is away')]) {
      rig.auth.inspection = inspection;
      const { status, headers } = await rig.call('POST', CHAT, undefined, '{}');
      expect(status).toBe(400);
      expect(headers.get('x-ratelimit-limit')).toBeNull();
    }
  });

  it('refuses first what comes first: a revoked key, an account that may not call, too many malformed ones', async () => {
    rig.handle = () => {
      throw new Fault('invalid_value', 'Too hot.');
    };
    const answers: [unknown, number, string][] = [
      [knownAccount({ keyActive: false }), 401, 'invalid_api_key'],
      [knownAccount({}, 'suspended'), 403, 'account_suspended'],
      [knownAccount({}, 'unverified'), 403, 'email_unverified'],
      [knownAccount({ retryAfterMs: 1_500 }), 429, 'rate_limit_exceeded'],
    ];
    for (const [inspection, status, code] of answers) {
      rig.auth.inspection = inspection as never;
      const { error, ...answer } = await rig.call('POST', CHAT, undefined, '{}');
      expect([answer.status, error!.code]).toEqual([status, code]);
    }
  });

  // Guarantee: nothing tells a key that was revoked from one that never was, and guessing costs the same.
  it('refuses a key that was revoked since it was known like any stranger’s, and knows it no longer', async () => {
    const seen = async (authorization: string, path: string, body?: string) => {
      const from = { authorization, 'x-forwarded-for': '203.0.113.7' };
      const { status, headers, text } = await rig.call(body === undefined ? 'GET' : 'POST', path, from, body);
      const varying = ['x-request-id', 'x-ratelimit-remaining', 'x-ratelimit-remaining-requests'];
      const same = [...headers].filter(
        ([name]) => !varying.includes(name) && name !== 'openai-processing-ms',
      );
      return { answer: [status, text, same], remaining: Number(headers.get('x-ratelimit-remaining')) };
    };
    const wanted = await seen(`Bearer ${generateApiKey()}`, CHAT, '{}');
    expect(wanted).toMatchObject({ answer: [401, expect.any(String), expect.any(Array)], remaining: 59 });
    const revocations: [string, () => void, string?][] = [
      // Found by whoever refuses a malformed request, by admission or a read, and by a path that there is not.
      [
        CHAT,
        () => {
          throw new Fault('invalid_value', 'Too hot.');
        },
        '{}',
      ],
      [
        CHAT,
        () => {
          throw invalidApiKey();
        },
        '{}',
      ],
      [
        '/v1/models',
        () => {
          throw invalidApiKey();
        },
      ],
      ['/v1/nothing', () => undefined],
    ];
    for (const [index, [path, handler, body]] of revocations.entries()) {
      rig.handle = () => undefined;
      rig.auth.inspection = knownAccount();
      rig.auth.principals.set(apiKeyDigest(key), PRINCIPAL);
      rig.clock.advance(31_000);
      expect((await rig.call('GET', '/v1/models')).status).toBe(200);
      rig.handle = handler;
      rig.auth.inspection = knownAccount({ keyActive: false });
      rig.auth.principals.delete(apiKeyDigest(key));
      const revoked = await seen(`Bearer ${key}`, path, body);
      const unknown = await seen(`Bearer ${generateApiKey()}`, path, body);
      expect([path, revoked.answer]).toEqual([path, unknown.answer]);
      expect(revoked.remaining - unknown.remaining).toBe(path === '/v1/nothing' ? 0 : 1);
      expect(revoked.remaining).toBe(index === 0 ? 58 : revoked.remaining);
      const before = rig.handled;
      expect((await rig.call('POST', CHAT, undefined, '{}')).status).toBe(401);
      expect(rig.handled).toBe(before);
    }
  });

  it('counts nothing as malformed that is refused for when it comes', async () => {
    for (const code of [
      'rate_limit_exceeded',
      'idempotency_in_progress',
      'idempotency_key_reused',
    ] as const) {
      rig.handle = () => {
        throw new Fault(code, 'Not now.');
      };
      expect((await rig.call('POST', CHAT, undefined, '{}')).error!.message).toBe('Not now.');
      expect(rig.auth.inspections.splice(0)).toEqual([{ countedAs: 'nothing' }]);
    }
    rig.auth.inspection = knownAccount({}, 'suspended');
    expect((await rig.call('POST', CHAT, undefined, '{}')).status).toBe(403);
  });

  it('shows on a 401 the limit of the client’s address, and refuses the 61st failure in a minute', async () => {
    const wrong = { authorization: 'Bearer sk-wrong' };
    for (let left = 59; left >= 0; left -= 1) {
      const { status, headers } = await rig.call('GET', '/v1/models', wrong);
      expect([status, headers.get('x-ratelimit-limit'), headers.get('x-ratelimit-remaining')]).toEqual([
        401,
        '60',
        String(left),
      ]);
    }
    const refused = await rig.call('GET', '/v1/models', {});
    expect([refused.status, refused.error!.code]).toEqual([429, 'rate_limit_exceeded']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
    expect((await rig.inTime(rig.call('GET', '/v1/models'))).status).toBe(200);
    const other = await rig.call('GET', '/v1/models', { ...wrong, 'x-forwarded-for': '203.0.113.9' });
    expect([other.status, other.headers.get('x-ratelimit-remaining')]).toEqual([401, '59']);
    rig.clock.advance(60_000);
    expect((await rig.call('GET', '/v1/models', wrong)).status).toBe(401);
  });

  it('serves a key that works and was never seen, from an address where too many others have failed', async () => {
    const invent = () => rig.call('GET', '/v1/models', { authorization: `Bearer ${generateApiKey()}` });
    for (let failed = 0; failed < 60; failed += 1) expect((await invent()).status).toBe(401);
    const answers = await rig.inTime(Promise.all([invent(), rig.call('GET', '/v1/models')]));
    expect(answers.map(({ status }) => status)).toEqual([429, 200]);
  });

  it('says the same of a key that is missing in form, unknown, or revoked, and asks for a bearer key', async () => {
    const bodies = new Set<string>();
    for (const authorization of ['Bearer sk-wrong', `Bearer ${generateApiKey()}`, 'Basic YTpi', 'Bearer']) {
      const { status, headers, text } = await rig.call('POST', CHAT, { authorization }, '{}');
      expect([status, headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
      bodies.add(text);
    }
    expect(bodies.size).toBe(1);
    expect(rig.handled).toBe(0);
    expect((await rig.call('POST', CHAT, {}, '{}')).error!.code).toBe('missing_api_key');
  });

  it('refuses a body that is too large or no JSON by its type, with the error object', async () => {
    const large = await rig.call('POST', CHAT, undefined, 'x'.repeat(BODY_BYTES_MAX + 1));
    expect([large.status, large.error!.code]).toEqual([413, 'request_too_large']);
    const text = await rig.call(
      'POST',
      CHAT,
      { authorization: `Bearer ${key}`, 'content-type': 'text/plain' },
      '{}',
    );
    expect([text.status, text.error!.code]).toEqual([415, 'unsupported_media_type']);
  });

  it('describes every endpoint and the errors that it can have, without a key', async () => {
    const { status, text } = await rig.call('GET', '/openapi.json', {});
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
    expect((await rig.call('POST', '/openapi.json')).headers.get('allow')).toBe('GET, OPTIONS');
  });

  it('echoes a client’s own request id if it is short and printable', async () => {
    const authorization = `Bearer ${key}`;
    const echoed = await rig.call('GET', '/v1/models/x', { authorization, 'x-client-request-id': 'mine-1' });
    expect(echoed.headers.get('x-request-id')).not.toBe('mine-1');
    for (const id of ['a b', 'x'.repeat(129)]) {
      const { headers } = await rig.call('GET', '/v1/nothing', { authorization, 'x-client-request-id': id });
      expect(headers.get('x-client-request-id')).toBeNull();
    }
    const refused = await rig.call('GET', '/v1/nothing', { authorization, 'x-client-request-id': 'mine-1' });
    expect(refused.headers.get('x-client-request-id')).toBe('mine-1');
  });
});
