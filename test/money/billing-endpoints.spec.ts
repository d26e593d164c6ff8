import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@tunan/testing';
import fc from 'fast-check';
import { chatBody, HostOnDatabase, type TestAccount } from './host-on-database.js';

/*
 * Balance checkers of the one-api family work out what is left as hard_limit_usd − total_usage / 100. That is what
 * /api/user/self says, at every moment and whatever dates they ask for.
 */

interface Usage {
  readonly object: string;
  readonly total_usage: number;
  readonly daily_costs: readonly {
    readonly timestamp: number;
    readonly line_items: readonly { readonly name: string; readonly cost: number }[];
  }[];
}

const UNIT_USD = 1 / 500_000;
const PLENTY = ['--credit', '3.123456789', '--rpm', '100000', '--tpm', '1000000000', '--concurrency', '50'];
const DAY_S = 86_400;

describe('the billing endpoints', () => {
  let host: HostOnDatabase;
  let account: TestAccount;

  beforeAll(async () => {
    host = await HostOnDatabase.start();
    account = await host.newAccount(...PLENTY);
  }, 180_000);
  afterAll(async () => {
    expect(await host.stop()).toBe(0);
  }, 120_000);

  const usage = async (query: string, { apiKey } = account, prefix = '/v1'): Promise<Usage> => {
    const { status, body } = await host.call<Usage>(apiKey, `${prefix}/dashboard/billing/usage${query}`);
    expect(status).toBe(200);
    return body;
  };
  const hardLimit = async ({ apiKey } = account, prefix = '/v1'): Promise<number> =>
    (await host.call<{ hard_limit_usd: number }>(apiKey, `${prefix}/dashboard/billing/subscription`)).body
      .hard_limit_usd;
  const self = async (): Promise<{ quota: number; used_quota: number }> =>
    (await host.call<{ data: { quota: number; used_quota: number } }>(account.apiKey, '/api/user/self')).body
      .data;
  const centsOf = ({ daily_costs }: Usage): number =>
    daily_costs.flatMap(({ line_items }) => line_items).reduce((sum, { cost }) => sum + cost, 0);
  const chat = async (apiKey: string, more: object = {}): Promise<number> =>
    (
      await host.call<{ usage: { cost: number } }>(
        apiKey,
        '/v1/chat/completions',
        chatBody('tokens=37', more),
      )
    ).body.usage.cost;
  const dateOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

  // Reads are limited to 120 a minute and account: each case has a few.
  it('agree with quota for random dates, also while charges are pending', async () => {
    const day = fc
      .date({ min: new Date('1970-01-01'), max: new Date('2120-01-01'), noInvalidDate: true })
      .map((date) => dateOf(date.getTime()));
    await fc.assert(
      fc.asyncProperty(day, day, async (start, end) => {
        await chat(account.apiKey);
        const { total_usage } = await usage(`?start_date=${start}&end_date=${end}`);
        const left = (await hardLimit()) - total_usage / 100;
        expect(Math.abs(left - (await self()).quota * UNIT_USD)).toBeLessThanOrEqual(UNIT_USD);
      }),
      { numRuns: 20 },
    );
  }, 120_000);

  it('show every charge on its day, by model, in cents', async () => {
    const other = await host.newAccount(...PLENTY);
    const cost = (await chat(other.apiKey)) + (await chat(other.apiKey));
    const reasoner = await chat(other.apiKey, { model: 'glm-4-flash' });
    const total = (cost + reasoner) * 100;
    const today = await eventually('the ledger has all charges', async () => {
      const answer = await usage('', other);
      return Math.abs(centsOf(answer) - total) < 1e-7 && answer;
    });
    expect(today.object).toBe('list');
    expect(today.daily_costs).toHaveLength(30);
    expect(today.total_usage).toBeCloseTo(total, 9);
    const items = today.daily_costs.flatMap(({ line_items }) => line_items);
    expect(items.map(({ name }) => name).sort()).toEqual(['deepseek-chat', 'glm-4-flash']);
    const nowMs = Date.now();
    const near = `?start_date=${dateOf(nowMs - DAY_S * 1_000)}&end_date=${dateOf(nowMs + DAY_S * 1_000)}`;
    expect(centsOf(await usage(near, other))).toBeCloseTo(total, 9);
    const past = await usage('?start_date=2020-01-01&end_date=2020-01-03', other);
    expect(past.daily_costs.map(({ timestamp }) => timestamp)).toEqual(
      [0, 1, 2].map((n) => 1_577_836_800 + n * DAY_S),
    );
    expect(centsOf(past)).toBe(0);
    expect(past.total_usage).toBeCloseTo(total, 9);
  }, 60_000);

  it('are the same without /v1, and for clients that send headers of other gateways', async () => {
    expect(await hardLimit(account, '')).toBe(await hardLimit());
    expect((await usage('', account, '')).total_usage).toBe((await usage('')).total_usage);
    const { status, body } = await host.call<object>(
      account.apiKey,
      '/v1/dashboard/billing/subscription',
      undefined,
      { 'New-Api-User': '1', 'Veloera-User': 'x' },
    );
    expect(status).toBe(200);
    expect(body).toMatchObject({
      object: 'billing_subscription',
      has_payment_method: true,
      access_until: 0,
    });
  }, 30_000);

  it('answer a key with a cap of its own with the smaller budget', async () => {
    const owner = await host.newAccount('--credit', '1', '--rpm', '1000');
    const key = await host.cli<{ apiKey: string }>(
      'key',
      'create',
      '--account',
      owner.accountId,
      '--cap',
      '0.25',
    );
    const capped = { ...owner, apiKey: key.apiKey };
    const spent = (await chat(key.apiKey)) + (await chat(key.apiKey));
    await chat(owner.apiKey);
    const { total_usage } = await usage('', capped);
    expect(total_usage / 100).toBeCloseTo(spent, 9);
    expect((await hardLimit(capped)) - total_usage / 100).toBeCloseTo(0.25 - spent, 9);
    const { body } = await host.call<{ data: Record<string, unknown> }>(key.apiKey, '/api/usage/token');
    expect(body).toMatchObject({ code: true, message: 'ok' });
    expect(body.data).toMatchObject({
      object: 'token_usage',
      unlimited_quota: false,
      model_limits_enabled: false,
      expires_at: 0,
      total_used: Math.ceil(Math.round(spent * 1e9) / 2_000),
      total_available: Math.floor(Math.round((0.25 - spent) * 1e9) / 2_000),
    });
    // A cap above what the account has gives nothing more than that.
    const wide = await host.cli<{ apiKey: string }>(
      'key',
      'create',
      '--account',
      owner.accountId,
      '--cap',
      '500',
    );
    const left = (await hardLimit({ ...owner, apiKey: wide.apiKey })) - 0;
    expect(left).toBeLessThan(1);
    await eventually('the daily costs of the key are its own', async () => {
      const cents = centsOf(await usage('', capped));
      return Math.abs(cents - spent * 100) < 1e-7;
    });
  }, 60_000);

  it('show a key without a cap what its account has', async () => {
    const { body } = await host.call<{ data: Record<string, unknown> }>(account.apiKey, '/api/usage/token');
    const { quota, used_quota } = await self();
    expect(body.data).toMatchObject({
      unlimited_quota: true,
      total_available: quota,
      total_used: used_quota,
      total_granted: quota + used_quota,
    });
  }, 30_000);

  it.each([
    'start_date=yesterday',
    'start_date=2026-02-30',
    'end_date=2026-1-5',
    'end_date=1764201600',
    "start_date=' OR 1=1 --",
    'start_date=2026-01-01T00:00:00%2B99:99',
    'start_date=2026-01-01&start_date=2026-01-02',
    `end_date=${'9'.repeat(5_000)}`,
  ])(
    'refuse %s',
    async (query) => {
      const { status, body } = await host.call<{ error: Record<string, unknown> }>(
        account.apiKey,
        `/v1/dashboard/billing/usage?${query}`,
      );
      expect([status, body.error['code']]).toEqual([400, 'invalid_value']);
      expect(String(body.error['message']).length).toBeLessThan(200);
    },
    30_000,
  );

  it('answer a hundred years with at most 400 days, and a range that ends before it starts with none', async () => {
    const century = await usage('?start_date=2026-01-01&end_date=2126-01-01&unknown=1');
    expect(century.daily_costs.length).toBeLessThanOrEqual(400);
    expect((await usage('?start_date=2026-02-01&end_date=2026-01-01')).daily_costs).toEqual([]);
  }, 30_000);
});
