import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import OpenAI from 'openai';
import { eventually } from '@tunan/testing';
import { TOPOLOGIES, type Platform } from '../e2e/topology.js';
import { newCustomer, openAi, type Customer } from './customer.js';

const ask = (content = 'Hello!', members: object = {}) => ({
  model: 'deepseek-chat',
  messages: [{ role: 'user' as const, content }],
  ...members,
});

describe.each(TOPOLOGIES)('idempotency keys: %s', (_name, start) => {
  let platform: Platform;
  let customer: Customer;
  beforeAll(async () => {
    platform = await start();
    customer = await newCustomer(platform);
  }, 240_000);
  afterAll(() => platform.stop(), 120_000);

  const send = (body: ReturnType<typeof ask>, key: string, client = customer.client()) =>
    client.chat.completions.create(body, { headers: { 'Idempotency-Key': key } }).withResponse();

  const charges = async (accountId: string): Promise<number> => {
    const { entries } = await platform.cli<{ entries: readonly { kind: string }[] }>(
      'ledger',
      'show',
      '--account',
      accountId,
    );
    return entries.filter(({ kind }) => kind === 'charge').length;
  };

  it('replay the answer byte for byte, with its cost, and bill it once', async () => {
    const { accountId, client } = await newCustomer(platform);
    const key = randomUUID();
    const first = await send(ask('[[sim jitter_ms=1]] Hello!'), key, client());
    const again = await send(ask('[[sim jitter_ms=1]] Hello!'), key, client());
    expect(again.data).toEqual(first.data);
    expect(again.response.headers.get('x-tunan-replayed')).toBe(first.request_id);
    expect(first.response.headers.get('x-tunan-replayed')).toBeNull();
    expect(again.request_id).not.toBe(first.request_id);
    // A later call's charge is in the ledger: so is whatever came before it.
    await client().chat.completions.create(ask('Another.'));
    await eventually('both calls are in the ledger', async () => (await charges(accountId)) >= 2, 30_000);
    expect(await charges(accountId)).toBe(2);
  }, 60_000);

  it('answer one of many that are sent at once, and bill that one', async () => {
    const { accountId, client } = await newCustomer(platform);
    const key = randomUUID();
    const body = ask('[[sim header_delay_ms=1500]] Hello!');
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => send(body, key, client())));
    const served = results.filter(({ status }) => status === 'fulfilled');
    const refused = results.filter((result) => result.status === 'rejected');
    expect(served).toHaveLength(1);
    for (const { reason } of refused) {
      expect(reason).toBeInstanceOf(OpenAI.ConflictError);
      expect(reason).toMatchObject({ code: 'idempotency_in_progress' });
      expect((reason as InstanceType<typeof OpenAI.APIError>).headers!.get('x-should-retry')).toBe('false');
    }
    await send(body, key, client());
    await client().chat.completions.create(ask('Another.'));
    await eventually('both calls are in the ledger', async () => (await charges(accountId)) >= 2, 30_000);
    expect(await charges(accountId)).toBe(2);
  }, 60_000);

  it('refuse another body with 422, and belong to one API key', async () => {
    const key = randomUUID();
    await send(ask(), key);
    const other = send(ask('Something else.'), key);
    await expect(other).rejects.toBeInstanceOf(OpenAI.UnprocessableEntityError);
    await expect(other).rejects.toMatchObject({ code: 'idempotency_key_reused' });
    const { apiKey } = await platform.cli<{ apiKey: string }>(
      'key',
      'create',
      '--account',
      customer.accountId,
    );
    expect((await send(ask('Something else.'), key, openAi(platform, apiKey))).data.choices).toHaveLength(1);
  });

  it('do not replay streams, and say which request it was', async () => {
    const key = randomUUID();
    const body = ask('Hello!', { stream: true });
    const first = await send(body, key);
    for await (const _chunk of first.data as unknown as AsyncIterable<unknown>);
    const error: unknown = await send(body, key).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(OpenAI.ConflictError);
    expect(error).toMatchObject({ code: 'answer_not_stored', status: 409 });
    expect((error as Error).message).toContain(first.request_id!);
  });

  it('of a request that failed may be used again', async () => {
    const key = randomUUID();
    const failing = { ...ask('[[sim fault=status:500]] Hello!'), model: 'glm-4-flash' };
    await expect(send(failing, key)).rejects.toMatchObject({ status: 502 });
    expect((await send(ask(), key)).data.choices).toHaveLength(1);
  });

  it.each([['x'.repeat(256)], [' \t']])('of another form are refused (%#)', async (key) => {
    await expect(send(ask(), key)).rejects.toMatchObject({ status: 400, param: 'Idempotency-Key' });
  });
});
