import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@tunan/testing';
import { chatBody, HostOnDatabase, type TestAccount } from './host-on-database.js';

/*
 * Pricing all usage again from the catalog snapshots reproduces the ledger to the nano-dollar; and where a hand or a
 * defect has changed the ledger, an event or a price, the report says so.
 */

interface Difference {
  readonly eventId: string;
  readonly accountId: string;
  readonly faults: readonly string[];
  readonly chargedNano: string;
  readonly reratedNano: string | null;
  readonly flags: readonly string[];
}

interface Report {
  readonly events: number;
  readonly chargedNano: string;
  readonly reratedNano: string;
  readonly differences: readonly Difference[];
  readonly explained: readonly Difference[];
}

const PLENTY = ['--credit', '20', '--rpm', '100000', '--tpm', '1000000000', '--concurrency', '200'];

/** What a client may do and a provider may do to it: every ending that is charged by a rule of its own. */
const MIX: readonly { readonly behaviour: string; readonly more?: object; readonly leaves?: true }[] = [
  { behaviour: 'tokens=20' },
  { behaviour: 'tokens=30 cached_tokens=5', more: { n: 2 } },
  { behaviour: 'tokens=15 reasoning_tokens=40', more: { model: 'deepseek-reasoner' } },
  { behaviour: 'tokens=25', more: { stream: true } },
  { behaviour: 'tokens=25', more: { model: 'glm-4-plus', stream: true } },
  { behaviour: 'tokens=25 usage=missing', more: { model: 'qwen3.7-max', stream: true } },
  { behaviour: 'tokens=40 usage=negative' },
  { behaviour: 'tokens=40 usage=huge', more: { max_tokens: 100 } },
  { behaviour: 'tokens=10 usage=zero' },
  { behaviour: 'tokens=40 fault=cut:5', more: { model: 'qwen3.5-flash', stream: true } },
  { behaviour: 'tokens=300 chunk_delay_ms=10', more: { model: 'minimax-m3', stream: true }, leaves: true },
  { behaviour: 'fault=status:500', more: { model: 'glm-4-flash' } },
];

describe('re-rating', () => {
  let host: HostOnDatabase;
  let account: TestAccount;

  beforeAll(async () => {
    host = await HostOnDatabase.start();
    account = await host.newAccount(...PLENTY);
  }, 180_000);
  afterAll(async () => {
    expect(await host.stop()).toBe(0);
  }, 120_000);

  const rerate = (...options: string[]): Promise<Report> => host.cli('ledger', 'rerate', ...options);

  const send = async ({ behaviour, more, leaves }: (typeof MIX)[number]): Promise<void> => {
    const answer = await host.fetch(account.apiKey, '/v1/chat/completions', chatBody(behaviour, more));
    const reader = answer.body!.getReader();
    for (let chunks = 0; ; chunks += 1) {
      const { done } = await reader.read().catch(() => ({ done: true }));
      if (done) return;
      if (leaves && chunks === 3) return reader.cancel();
    }
  };

  /** Waits until the ledger has the events of everything that was sent. */
  const untilBilled = (events: number): Promise<Report> =>
    eventually(
      `${events} events in the ledger`,
      async () => {
        const report = await rerate('--account', account.accountId);
        return report.events >= events && report;
      },
      60_000,
    );

  it('reproduces the ledger of mixed traffic to the nano-dollar', async () => {
    const catalog = await host.cli<{ version: number }>('catalog', 'show');
    for (const request of MIX) await send(request);
    const report = await untilBilled(MIX.length);
    expect(report.differences).toEqual([]);
    const { rows } = await host.pool.query<{ spent_nano: bigint }>(
      'SELECT spent_nano FROM account WHERE id = $1',
      [account.accountId],
    );
    expect(BigInt(report.chargedNano)).toBe(rows[0]!.spent_nano);
    expect(report.reratedNano).toBe(report.chargedNano);
    for (const { flags } of report.explained) expect(flags.length).toBeGreaterThan(0);
    // The two whose provider reported what cannot be, for a person to look at.
    expect(report.explained.filter(({ flags }) => flags.includes('clamped'))).toHaveLength(2);
    expect(catalog.version).toBe(1);
    expect((await rerate()).differences).toEqual([]);
  }, 180_000);

  describe('reports', () => {
    /** The faults by event id. */
    const faults = async (): Promise<Record<string, readonly string[]>> => {
      const { differences } = await rerate('--account', account.accountId);
      return Object.fromEntries(differences.map((each) => [each.eventId, each.faults]));
    };

    const someEvent = async (): Promise<string> => {
      const { rows } = await host.pool.query<{ event_id: string }>(
        `SELECT event_id FROM usage_event WHERE account_id = $1 AND cost_nano > 0
         AND event -> 'data' -> 'flags' = '[]' ORDER BY event_id LIMIT 1`,
        [account.accountId],
      );
      return rows[0]!.event_id;
    };

    it('a transfer whose amount was changed', async () => {
      const eventId = await someEvent();
      await host.tamper(
        `UPDATE ledger_transfer SET amount_nano = amount_nano + 1 WHERE event_id = $1 AND kind = 'charge'`,
        eventId,
      );
      expect(await faults()).toEqual({ [eventId]: ['ledger'] });
      await host.tamper(
        `UPDATE ledger_transfer SET amount_nano = amount_nano - 1 WHERE event_id = $1 AND kind = 'charge'`,
        eventId,
      );
      expect(await faults()).toEqual({});
    }, 60_000);

    it('an event whose cost was changed together with the ledger', async () => {
      const eventId = await someEvent();
      await host.tamper(
        `UPDATE ledger_transfer SET amount_nano = amount_nano + 5 WHERE event_id = $1 AND kind = 'charge'`,
        eventId,
      );
      await host.tamper(
        `UPDATE usage_event SET cost_nano = cost_nano + 5,
           event = jsonb_set(event, '{data,cost}', to_jsonb((cost_nano + 5)::text)) WHERE event_id = $1`,
        eventId,
      );
      expect(await faults()).toEqual({ [eventId]: ['cost'] });
      await host.tamper(
        `UPDATE ledger_transfer SET amount_nano = amount_nano - 5 WHERE event_id = $1 AND kind = 'charge'`,
        eventId,
      );
      await host.tamper(
        `UPDATE usage_event SET cost_nano = cost_nano - 5,
           event = jsonb_set(event, '{data,cost}', to_jsonb((cost_nano - 5)::text)) WHERE event_id = $1`,
        eventId,
      );
    }, 60_000);

    it('a charge whose event is missing', async () => {
      const eventId = await someEvent();
      const {
        rows: [row],
      } = await host.pool.query<Record<string, unknown>>('SELECT * FROM usage_event WHERE event_id = $1', [
        eventId,
      ]);
      await host.tamper('DELETE FROM usage_event WHERE event_id = $1', eventId);
      expect(await faults()).toEqual({ [eventId]: ['event'] });
      await host.tamper(
        'INSERT INTO usage_event SELECT * FROM jsonb_populate_record(NULL::usage_event, $1)',
        {
          ...row,
          cost_nano: String(row!['cost_nano']),
          catalog_version: String(row!['catalog_version']),
        },
      );
      expect(await faults()).toEqual({});
    }, 60_000);

    it('every charge of a snapshot whose price was changed', async () => {
      const change = (price: string) =>
        host.tamper(
          `UPDATE catalog_snapshot SET body = jsonb_set(body, '{models}', (
             SELECT jsonb_agg(CASE m ->> 'id' WHEN 'deepseek-chat' THEN jsonb_set(m, '{price,output}', to_jsonb($1::text)) ELSE m END)
             FROM jsonb_array_elements(body -> 'models') m))`,
          price,
        );
      await change('0.41');
      const found = Object.values(await faults());
      expect(found.length).toBeGreaterThan(0);
      for (const each of found) expect(each).toContain('price');
      await change('0.40');
      expect(await faults()).toEqual({});
    }, 60_000);
  });
});
