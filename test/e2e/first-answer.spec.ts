import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@tunan/testing';
import OpenAI, { APIUserAbortError, AuthenticationError } from 'openai';
import { checkPlatformFacts } from '../facts/platform-facts.js';
import { EMBEDDING_MODELS, TEXT_MODELS, VISION_MODELS } from '../facts/seed-facts.js';
import { TOPOLOGIES, type Platform } from './topology.js';

interface LedgerView {
  readonly balanceNano: string;
  readonly entries: readonly {
    eventId: string;
    requestId: string | null;
    kind: string;
    amountNano: string;
    at: string;
  }[];
}

type WithCost = OpenAI.CompletionUsage & { cost: number };

const MODELS = [
  ...[...TEXT_MODELS, ...VISION_MODELS].map(({ id }) => ({ id, kind: 'chat' })),
  ...EMBEDDING_MODELS.map(({ id }) => ({ id, kind: 'embedding' })),
];
const NANO_PER_UNIT = 2_000n;
const messages = [{ role: 'user' as const, content: 'Hello!' }];

/** Nano-dollars of the decimal that an answer showed. */
const nanoOf = (cost: number): bigint => BigInt(Math.round(cost * 1e9));

describe.each(TOPOLOGIES)('from an SDK to the ledger: %s', (_name, start) => {
  let platform: Platform;

  beforeAll(async () => {
    platform = await start();
  }, 180_000);

  afterAll(async () => {
    expect((await platform.stop()).every((code) => code === 0)).toBe(true);
  }, 120_000);

  /** A new account with plenty of credit and no limit in the way. */
  const newAccount = async (credit = '5') => {
    const email = `user-${Math.random().toString(36).slice(2)}@example.com`;
    const created = await platform.cli<{ accountId: string; apiKey: string }>(
      'account',
      'create',
      '--email',
      email,
      '--credit',
      credit,
      '--rpm',
      '10000',
      '--tpm',
      '100000000',
      '--concurrency',
      '50',
    );
    const client = new OpenAI({ baseURL: platform.apiUrl, apiKey: created.apiKey, maxRetries: 0 });
    return { ...created, client };
  };

  const ledgerOf = (accountId: string): Promise<LedgerView> =>
    platform.cli('ledger', 'show', '--account', accountId);

  const quotaOf = async (
    apiKey: string,
  ): Promise<{ quota: number; used_quota: number; request_count: number }> => {
    const answer = await fetch(platform.apiUrl.replace(/\/v1$/, '/api/user/self'), {
      headers: { authorization: `Bearer ${apiKey}` },
    });
    const body = (await answer.json()) as {
      data: { quota: number; used_quota: number; request_count: number };
    };
    return body.data;
  };

  /** The charges of an account once there are `count` of them. */
  const chargesOf = (accountId: string, count: number) =>
    eventually(`${count} charges in the ledger`, async () => {
      const charges = (await ledgerOf(accountId)).entries.filter(({ kind }) => kind === 'charge');
      return charges.length >= count && charges;
    });

  it('answers a chat with text and its cost', async () => {
    const { client } = await newAccount();
    const { data, response } = await client.chat.completions
      .create({ model: 'deepseek-chat', messages })
      .withResponse();
    expect(data).toMatchObject({
      object: 'chat.completion',
      model: 'deepseek-chat',
      choices: [{ index: 0, finish_reason: 'stop' }],
    });
    expect(data.choices[0]!.message.content).not.toBe('');
    expect((data.usage as WithCost).cost).toBeGreaterThan(0);
    expect(response.headers.get('x-tunan-provider')).toBe(platform.deepseek);
    expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(response.headers.get('x-ratelimit-limit')).toBe('10000');
  });

  it('streams: one role, one id, one finish, no usage chunk unless asked', async () => {
    const { client } = await newAccount();
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of await client.chat.completions.create({
      model: 'deepseek-chat',
      messages,
      stream: true,
    }))
      chunks.push(chunk);
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    expect(chunks.filter(({ choices }) => choices[0]?.delta.role !== undefined)).toHaveLength(1);
    expect(chunks.filter(({ choices }) => choices[0]?.finish_reason != null)).toHaveLength(1);
    expect(chunks.every(({ choices }) => choices.length === 1)).toBe(true);
    expect(chunks.map(({ choices }) => choices[0]!.delta.content ?? '').join('')).not.toBe('');
  });

  it('streams with usage: the last chunk has it, with the cost of the ledger', async () => {
    const { client, accountId } = await newAccount();
    const stream = await client.chat.completions.create({
      model: 'deepseek-chat',
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    const last = chunks.at(-1)!;
    expect(last.choices).toEqual([]);
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
    const [charge] = await chargesOf(accountId, 1);
    expect(-BigInt(charge!.amountNano)).toBe(nanoOf((last.usage as WithCost).cost));
  });

  it('lists the models', async () => {
    const { client } = await newAccount();
    const ids: string[] = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids.sort()).toEqual(MODELS.map(({ id }) => id).sort());
  });

  it('refuses a wrong key as an AuthenticationError', async () => {
    const client = new OpenAI({ baseURL: platform.apiUrl, apiKey: 'sk-wrong', maxRetries: 0 });
    await expect(client.chat.completions.create({ model: 'deepseek-chat', messages })).rejects.toBeInstanceOf(
      AuthenticationError,
    );
  });

  it('charges a stream that its client aborted, within what was asked for', async () => {
    const { client, accountId } = await newAccount();
    const abort = new AbortController();
    const long = [
      { role: 'user' as const, content: '[[sim tokens=400 chunk_delay_ms=20]] Write a poem about the sea.' },
    ];
    const stream = await client.chat.completions.create(
      { model: 'deepseek-chat', messages: long, stream: true },
      { signal: abort.signal },
    );
    const read = async () => {
      let chunks = 0;
      for await (const _chunk of stream) if ((chunks += 1) === 5) abort.abort();
    };
    await read().catch((error: unknown) => expect(error).toBeInstanceOf(APIUserAbortError));
    const [charge] = await chargesOf(accountId, 1);
    const amount = -BigInt(charge!.amountNano);
    // 400 tokens at $0.40 per million would be 160,000 nano-dollars; about five of them were delivered.
    expect(amount).toBeGreaterThan(0n);
    expect(amount).toBeLessThan(80_000n);
  });

  it('serves every model of the seed; balance and ledger move by exactly the cost that was shown', async () => {
    const { client, accountId, apiKey } = await newAccount();
    let spent = 0n;
    for (const model of MODELS) {
      const before = await quotaOf(apiKey);
      const answer =
        model.kind === 'embedding'
          ? await client.embeddings.create({ model: model.id, input: 'Hello world' })
          : await client.chat.completions.create({ model: model.id, messages });
      expect(answer.model).toBe(model.id);
      const cost = nanoOf((answer.usage as unknown as WithCost).cost);
      expect(cost).toBeGreaterThan(0n);
      const left = 5_000_000_000n - spent;
      expect(BigInt(before.quota)).toBe(left / NANO_PER_UNIT);
      spent += cost;
      expect(BigInt((await quotaOf(apiKey)).quota)).toBe((left - cost) / NANO_PER_UNIT);
      const charges = await chargesOf(accountId, MODELS.indexOf(model) + 1);
      expect(-BigInt(charges.at(-1)!.amountNano)).toBe(cost);
    }
    const ledger = await ledgerOf(accountId);
    expect(BigInt(ledger.balanceNano)).toBe(5_000_000_000n - spent);
    expect(ledger.entries[0]).toMatchObject({ kind: 'grant', amountNano: '5000000000' });
    expect(ledger.entries[0]!.at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect((await quotaOf(apiKey)).request_count).toBe(MODELS.length);
  }, 60_000);

  it('differs in nothing from the facts of the documentation', async () => {
    // With the limits of its tier: they are among the facts.
    const { apiKey } = await platform.cli<{ apiKey: string }>(
      'account',
      'create',
      '--email',
      'facts@example.com',
      '--credit',
      '1',
    );
    expect(await checkPlatformFacts(platform.apiUrl, apiKey)).toEqual([]);
  }, 60_000);

  it('is ready, alive and measured on every ops port', async () => {
    for (const url of platform.opsUrls) {
      expect((await fetch(`${url}/livez`)).status).toBe(200);
      expect((await fetch(`${url}/readyz`)).status).toBe(200);
      expect(await (await fetch(`${url}/metrics`)).text()).toContain('process_cpu_seconds_total');
    }
  });
});
