import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, tempDir } from '@tunan/testing';
import { chatBody, HostOnDatabase, type TestAccount } from './host-on-database.js';

/*
 * The price at admission is the price charged: a stream that is running when another catalog is activated costs what
 * it would have cost without that, and the next request costs the new price.
 */

interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly cost: number;
}

interface Catalog {
  readonly models: { readonly id: string; price: { input: string; cachedInput?: string; output: string } }[];
}

/** Nano-dollars per token: $0.20 and $0.40 per million, and what they become. */
const OLD = { input: 200n, output: 400n };
const NEW = { input: 50_000n, output: 70_000n };

const costOf = ({ prompt_tokens, completion_tokens }: Usage, price: typeof OLD): bigint =>
  BigInt(prompt_tokens) * price.input + BigInt(completion_tokens) * price.output;
const nanoOf = ({ cost }: Usage): bigint => BigInt(Math.round(cost * 1e9));

describe('another catalog', () => {
  let host: HostOnDatabase;
  let account: TestAccount;
  const dir = tempDir();

  beforeAll(async () => {
    host = await HostOnDatabase.start();
    account = await host.newAccount('--credit', '50', '--tpm', '100000000');
  }, 180_000);
  afterAll(async () => {
    dir.remove();
    expect(await host.stop()).toBe(0);
  }, 120_000);

  it('changes the price of what comes, never of what is running', async () => {
    // Runs for longer than the edges take to follow: one token every tenth of a second.
    const body = chatBody('tokens=300 chunk_tokens=1 chunk_delay_ms=100', {
      stream: true,
      stream_options: { include_usage: true },
    });
    const stream = await host.fetch(account.apiKey, '/v1/chat/completions', body);
    let ended = false;
    const text = stream.text().finally(() => (ended = true));

    const { catalog } = await host.cli<{ catalog: Catalog }>('catalog', 'show');
    catalog.models.find(({ id }) => id === 'deepseek-chat')!.price = { input: '50.00', output: '70.00' };
    const file = join(dir.path, 'catalog.json');
    writeFileSync(file, JSON.stringify(catalog));
    const activation = await host.cli<{ version: number }>('catalog', 'activate', '--file', file, '--yes');
    expect(activation.version).toBe(2);
    await eventually(
      'the new price is in force',
      async () => {
        const answer = await host.call<{ pricing: { output: string } }>(
          account.apiKey,
          '/v1/models/deepseek-chat',
        );
        return answer.body.pricing.output === '70.00';
      },
      60_000,
    );
    const next = await host.call<{ usage: Usage }>(
      account.apiKey,
      '/v1/chat/completions',
      chatBody('tokens=5'),
    );
    expect(next.status).toBe(200);
    expect(nanoOf(next.body.usage)).toBe(costOf(next.body.usage, NEW));
    expect(ended).toBe(false);

    const [last] = [...(await text).matchAll(/^data: (\{.*"choices":\[\].*\})$/gm)].slice(-1);
    const { usage } = JSON.parse(last![1]!) as { usage: Usage };
    expect(usage.completion_tokens).toBe(300);
    expect(nanoOf(usage)).toBe(costOf(usage, OLD));

    const report = await eventually('both are in the ledger', async () => {
      const found = await host.cli<{ events: number; chargedNano: string; differences: unknown[] }>(
        ...['ledger', 'rerate', '--account', account.accountId],
      );
      return found.events === 2 && found;
    });
    expect(report.differences).toEqual([]);
    expect(BigInt(report.chargedNano)).toBe(nanoOf(usage) + nanoOf(next.body.usage));
  }, 180_000);
});
