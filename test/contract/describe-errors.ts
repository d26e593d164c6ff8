import { describe, expect, it } from '@jest/globals';
import OpenAI from 'openai';
import { eventually } from '@tunan/testing';
import { generateApiKey } from '@tunan/kernel';
import type { Platform } from '../e2e/topology.js';
import { newCustomer, openAi, type Customer } from './customer.js';
import { watchedFetch } from './watched-fetch.js';

type ErrorClass = new (...args: never[]) => InstanceType<typeof OpenAI.APIError>;

/** What official clients make of our errors, and when they try again. */
export const describeErrors = (platform: () => Platform, model: string): void => {
  const messages = [{ role: 'user' as const, content: 'Hello!' }];
  const say = (content: string) => [{ role: 'user' as const, content }];

  const errorOf = async (call: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> => {
    const error: unknown = await call.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(OpenAI.APIError);
    return error as InstanceType<typeof OpenAI.APIError>;
  };

  const expectError = async (
    call: Promise<unknown>,
    kind: ErrorClass,
    members: { status: number; code: unknown; type: string; param?: string },
  ): Promise<void> => {
    const error = await errorOf(call);
    expect(error).toBeInstanceOf(kind);
    expect({ status: error.status, code: error.code, type: error.type, param: error.param }).toEqual({
      param: null,
      ...members,
    });
    expect(error.requestID).toMatch(/^[0-9a-f-]{36}$/);
  };

  /** Keeps one request of a customer running until `use` is done. */
  const whileOneRuns = async (customer: Customer, use: () => Promise<void>): Promise<void> => {
    const stream = await customer.client().chat.completions.create({
      model,
      messages: say('[[sim tokens=600 chunk_delay_ms=50]] Tell me a long story.'),
      max_tokens: 600,
      stream: true,
    });
    await stream[Symbol.asyncIterator]().next();
    try {
      await use();
    } finally {
      stream.controller.abort();
    }
  };

  describe('errors', () => {
    it('400 is a BadRequestError that names the parameter', async () => {
      const { client } = await newCustomer(platform());
      await expectError(
        client().chat.completions.create({ model, messages, temperature: 3 }),
        OpenAI.BadRequestError,
        { status: 400, code: 'invalid_value', type: 'invalid_request_error', param: 'temperature' },
      );
      await expectError(
        client().chat.completions.create({ model, messages: say('many words '.repeat(150_000)) }),
        OpenAI.BadRequestError,
        { status: 400, code: 'context_length_exceeded', type: 'invalid_request_error', param: 'messages' },
      );
    });

    it('401 is an AuthenticationError, the same for a mistyped and for an unknown key', async () => {
      for (const key of ['sk-wrong', generateApiKey()])
        await expectError(openAi(platform(), key).models.list(), OpenAI.AuthenticationError, {
          status: 401,
          code: 'invalid_api_key',
          type: 'invalid_request_error',
        });
    });

    it('402 is an APIError with the documented type and code, and is not tried again', async () => {
      const customer = await newCustomer(platform(), { credit: '0.000001' });
      const { fetch, seen } = watchedFetch();
      const client = customer.client({ maxRetries: 3, fetch });
      const error = await errorOf(client.chat.completions.create({ model, messages, max_tokens: 4_096 }));
      expect({ status: error.status, code: error.code, type: error.type }).toEqual({
        status: 402,
        code: 402,
        type: 'insufficient_quota',
      });
      expect(error.message).toMatch(/needs up to \$0\.\d+, available is \$0\.000001/);
      expect(error.headers!.get('x-should-retry')).toBe('false');
      expect(seen).toHaveLength(1);
    });

    it('402 is tried again where only running requests hold the credit', async () => {
      const customer = await newCustomer(platform(), { credit: '0.001' });
      await whileOneRuns(customer, async () => {
        const error = await errorOf(
          customer.client().chat.completions.create({ model, messages, max_tokens: 2_200 }),
        );
        expect(error.status).toBe(402);
        expect(error.headers!.get('x-should-retry')).toBe('true');
        expect(Number(error.headers!.get('retry-after'))).toBeGreaterThanOrEqual(1);
      });
      const { fetch } = watchedFetch();
      await eventually(
        'the credit is free again',
        () =>
          customer
            .client({ fetch, maxRetries: 5 })
            .chat.completions.create({ model, messages, max_tokens: 1_500 }),
        20_000,
      );
    }, 60_000);

    it('403 is a PermissionDeniedError, before any other fault of the body', async () => {
      const { accountId } = await newCustomer(platform());
      const { apiKey } = await platform().cli<{ apiKey: string }>(
        'key',
        'create',
        '--account',
        accountId,
        '--models',
        'glm-4-flash',
      );
      const client = openAi(platform(), apiKey);
      const forbidden = {
        status: 403,
        code: 'model_not_allowed',
        type: 'permission_error',
        param: 'model',
      };
      for (const body of [
        { model, messages },
        { model, messages, temperature: 9 },
      ])
        await expectError(client.chat.completions.create(body), OpenAI.PermissionDeniedError, forbidden);
      expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['glm-4-flash']);
      expect((await client.chat.completions.create({ model: 'glm-4-flash', messages })).model).toBe(
        'glm-4-flash',
      );
    });

    it('404 is a NotFoundError that names the nearest model, or what to use', async () => {
      const { client } = await newCustomer(platform());
      await expectError(
        client().chat.completions.create({ model: 'deepseek-chta', messages }),
        OpenAI.NotFoundError,
        { status: 404, code: 'model_not_found', type: 'invalid_request_error', param: 'model' },
      );
      const error = await errorOf(client().responses.create({ model, input: 'Hello!' }));
      expect(error).toBeInstanceOf(OpenAI.NotFoundError);
      expect(error.message).toContain('/v1/chat/completions');
    });

    it('429 is a RateLimitError with the true state, and is tried again when the server says', async () => {
      const customer = await newCustomer(platform(), { concurrency: 1 });
      await whileOneRuns(customer, async () => {
        await expectError(
          customer.client().chat.completions.create({ model, messages }),
          OpenAI.RateLimitError,
          { status: 429, code: 'rate_limit_exceeded', type: 'rate_limit_error' },
        );
        const { fetch, seen } = watchedFetch();
        const error = await errorOf(
          customer.client({ maxRetries: 2, fetch }).chat.completions.create({ model, messages }),
        );
        expect(error.message).toContain('concurrent');
        expect(seen.map(({ status }) => status)).toEqual([429, 429, 429]);
        for (const [index, { headers, answeredMs }] of seen.slice(0, -1).entries()) {
          const waitMs = Number(headers.get('retry-after-ms'));
          expect(waitMs).toBeGreaterThan(0);
          // Timers may fire a little early.
          expect(seen[index + 1]!.sentMs - answeredMs).toBeGreaterThanOrEqual(waitMs - 20);
          expect(headers.get('x-ratelimit-remaining-requests')).toBe('9999');
        }
      });
    }, 60_000);

    it('429 for requests per minute gives the rejected request’s place back', async () => {
      const customer = await newCustomer(platform(), { rpm: 1 });
      const { response } = await customer
        .client()
        .chat.completions.create({ model, messages })
        .withResponse();
      expect(response.headers.get('x-ratelimit-remaining')).toBe('0');
      const first = await errorOf(customer.client().chat.completions.create({ model, messages }));
      const second = await errorOf(customer.client().chat.completions.create({ model, messages }));
      expect([first.status, second.status]).toEqual([429, 429]);
      expect(first.message).toContain('requests per minute');
      // Had the first rejection counted, the second would have to wait longer.
      expect(Number(second.headers!.get('retry-after-ms'))).toBeLessThanOrEqual(
        Number(first.headers!.get('retry-after-ms')),
      );
    });

    it.each([
      ['[[sim fault=status:500]]', 502, 'upstream_error'],
      ['[[sim fault=status:503]]', 502, 'upstream_error'],
      ['[[sim fault=status:429]]', 503, 'upstream_unavailable'],
      ['[[sim fault=status:401]]', 503, 'upstream_unavailable'],
    ])(
      '%s at every provider is an InternalServerError %i, and nothing is charged',
      async (fault, status, code) => {
        const { accountId, client } = await newCustomer(platform());
        const error = await errorOf(
          client().chat.completions.create({ model: 'glm-4-flash', messages: say(`${fault} Hello!`) }),
        );
        expect(error).toBeInstanceOf(OpenAI.InternalServerError);
        expect([error.status, error.code, error.type]).toEqual([status, code, 'api_error']);
        const ledger = await platform().cli<{ balanceNano: string }>(
          'ledger',
          'show',
          '--account',
          accountId,
        );
        expect(ledger.balanceNano).toBe('5000000000');
      },
    );

    it('after content it is an error event, which the SDK throws', async () => {
      const { client } = await newCustomer(platform());
      const stream = await client().chat.completions.create({
        model: 'minimax-m3',
        messages: say('[[sim tokens=40 fault=cut:10]] Tell me a story.'),
        stream: true,
      });
      let text = '';
      const read = async (): Promise<void> => {
        for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
      };
      const error = await errorOf(read());
      expect(error.code).toBe('upstream_stream_cut');
      expect(text).not.toBe('');
    });

    it('a unary answer that takes longer than the client waits is 504 before it gives up, and not charged', async () => {
      const { accountId, client } = await newCustomer(platform());
      const error = await errorOf(
        client().chat.completions.create(
          { model, messages: say('[[sim header_delay_ms=8000]] Hello!') },
          { timeout: 2_000 },
        ),
      );
      expect([error.status, error.code]).toEqual([504, 'upstream_timeout']);
      const ledger = await platform().cli<{ balanceNano: string }>('ledger', 'show', '--account', accountId);
      expect(ledger.balanceNano).toBe('5000000000');
    }, 60_000);

    it('clients in a hurry do not take the model away from others', async () => {
      const { client } = await newCustomer(platform());
      const hurried = { model, messages: say('[[sim header_delay_ms=3000]] Hello!') };
      const unary = () => client().chat.completions.create(hurried, { timeout: 1_000 });
      const whole = { headers: { 'x-tunan-timeout': '1' } };
      const streamed = async (): Promise<void> => {
        for await (const _ of await client().chat.completions.create({ ...hurried, stream: true }, whole));
      };
      for (const call of [unary, streamed]) {
        const errors = await Promise.all(Array.from({ length: 5 }, () => errorOf(call())));
        expect(errors.map(({ code }) => code)).toEqual(Array(5).fill('upstream_timeout'));
      }
      const answer = await client().chat.completions.create({ model, messages: say('Hello!') });
      expect(answer.choices[0]?.message.content).not.toBe('');
    }, 60_000);
  });
};
