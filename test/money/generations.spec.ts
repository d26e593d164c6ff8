import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@tunan/testing';
import { TOPOLOGIES, type Platform } from '../e2e/topology.js';

/*
 * What a call cost and who served it can be asked for from the moment its answer is complete, by either of its ids, by
 * its own account alone; and it is what the ledger says in the end.
 */

interface Generation {
  readonly id: string;
  readonly answer_id?: string;
  readonly model: string;
  readonly provider: string;
  readonly upstream_model: string;
  readonly outcome: string;
  readonly stream: boolean;
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number };
  readonly cost: number;
  readonly flags: readonly string[];
  readonly ledger: 'pending' | 'posted';
}

const nanoOf = (cost: number): bigint => BigInt(Math.round(cost * 1e9));

describe.each(TOPOLOGIES)('GET /v1/generations/{id}: %s', (_name, start) => {
  let platform: Platform;
  beforeAll(async () => {
    platform = await start();
  }, 180_000);
  afterAll(async () => {
    expect((await platform.stop()).every((code) => code === 0)).toBe(true);
  }, 120_000);

  let accounts = 0;
  const newAccount = (): Promise<{ accountId: string; apiKey: string }> =>
    platform.cli('account', 'create', '--email', `gen-${(accounts += 1)}@example.com`, '--credit', '1');

  const get = async (apiKey: string, id: string): Promise<{ status: number; body: Generation }> => {
    const answer = await fetch(`${platform.apiUrl}/generations/${id}`, {
      headers: { authorization: `Bearer ${apiKey}` },
    });
    return { status: answer.status, body: (await answer.json()) as Generation };
  };

  const send = (apiKey: string, path: string, body: object): Promise<Response> =>
    fetch(`${platform.apiUrl}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  const chat = async (apiKey: string, more: object = {}) => {
    const messages = [{ role: 'user', content: '[[sim tokens=23]] Hello!' }];
    const answer = await send(apiKey, '/chat/completions', { model: 'deepseek-chat', messages, ...more });
    expect(answer.status).toBe(200);
    return {
      requestId: answer.headers.get('x-request-id')!,
      provider: answer.headers.get('x-tunan-provider')!,
      answer,
    };
  };

  it('knows a call at once, by both of its ids, and then as the ledger has it', async () => {
    const { accountId, apiKey } = await newAccount();
    const { requestId, provider, answer } = await chat(apiKey);
    const shown = (await answer.json()) as { id: string; usage: Generation['usage'] & { cost: number } };
    const { status, body } = await get(apiKey, requestId);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      id: requestId,
      answer_id: shown.id,
      model: 'deepseek-chat',
      provider,
      outcome: 'completed',
      stream: false,
      usage: {
        prompt_tokens: shown.usage.prompt_tokens,
        completion_tokens: shown.usage.completion_tokens,
      },
      cost: shown.usage.cost,
      flags: [],
    });
    const posted = await eventually('the ledger has the charge', async () => {
      const found = (await get(apiKey, shown.id)).body;
      expect(['pending', 'posted']).toContain(found.ledger);
      expect({ ...found, ledger: '' }).toEqual({ ...body, ledger: '' });
      return found.ledger === 'posted' && found;
    });
    const ledger = await platform.cli<{ entries: { requestId: string | null; amountNano: string }[] }>(
      ...['ledger', 'show', '--account', accountId],
    );
    const entry = ledger.entries.find((each) => each.requestId === requestId)!;
    expect(-BigInt(entry.amountNano)).toBe(nanoOf(posted.cost));
  }, 60_000);

  it('knows streams and embeddings', async () => {
    const { apiKey } = await newAccount();
    const stream = await chat(apiKey, { stream: true });
    const text = await stream.answer.text();
    const { id } = JSON.parse(/^data: (\{.*\})$/m.exec(text)![1]!) as { id: string };
    expect((await get(apiKey, id)).body).toMatchObject({
      id: stream.requestId,
      stream: true,
      outcome: 'completed',
    });
    const embedding = await send(apiKey, '/embeddings', { model: 'text-embedding-v3', input: 'Hello' });
    const found = (await get(apiKey, embedding.headers.get('x-request-id')!)).body;
    expect(found).toMatchObject({ model: 'text-embedding-v3' });
    expect(found.answer_id).toBeUndefined();
  }, 60_000);

  it('is another account’s secret, before and after it is in the ledger', async () => {
    const [owner, other] = [await newAccount(), await newAccount()];
    const { requestId, answer } = await chat(owner.apiKey);
    await answer.text();
    expect((await get(other.apiKey, requestId)).status).toBe(404);
    await eventually('posted', async () => (await get(owner.apiKey, requestId)).body.ledger === 'posted');
    expect((await get(other.apiKey, requestId)).status).toBe(404);
  }, 60_000);

  const NO_IDS = [
    'nothing',
    '00000000-0000-7000-8000-000000000000',
    'chatcmpl-',
    "x'%20OR%201=1",
    '%00',
    '..%2f..%2fadmin',
    'a'.repeat(2_000),
  ];

  it('answers 404 for what is no id of a call', async () => {
    const { apiKey } = await newAccount();
    for (const id of NO_IDS) {
      const answer = await get(apiKey, id);
      expect([id, answer.status]).toEqual([id, 404]);
      expect(answer.body).toMatchObject({ error: { type: 'invalid_request_error', code: 'not_found' } });
    }
  }, 60_000);
});
