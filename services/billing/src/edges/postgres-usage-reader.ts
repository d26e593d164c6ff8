import { usageEvent, type DayUsage, type UsageEvent } from '@tunan/contracts';
import type { Nano } from '@tunan/kernel';
import type { Pool } from 'pg';
import { z } from 'zod';
import { UsageReader, type ChargedPage, type ChargedRequest, type DayRange } from '../ports/usage-reader.js';
import { CHARGED_OF_ACCOUNT, CHARGED_OF_ALL, EVENT_ID_AFTER, FIND_USAGE, USAGE_BY_DAY } from './usage-sql.js';

interface DayRow {
  readonly day: string;
  readonly model: string;
  readonly cost_nano: Nano;
  readonly request_count: bigint;
}

/** A request; or, in a page without any, where that page ends. */
interface ChargedRow {
  readonly end_id: string | null;
  readonly event_id: string | null;
  readonly account_id: string;
  readonly event: unknown;
  readonly superseded: boolean;
  readonly charged_nano: Nano;
}

/** Usage events, their days and their charges in Postgres. */
export class PostgresUsageReader extends UsageReader {
  constructor(private readonly pool: Pool) {
    super();
  }

  override async find(accountId: string, requestId: string): Promise<UsageEvent | null> {
    const { rows } = await this.pool.query<{ event: unknown }>(FIND_USAGE, [accountId, requestId]);
    return rows[0] === undefined ? null : fromJson(rows[0].event);
  }

  override async byDay({ accountId, keyId, from, through }: DayRange): Promise<readonly DayUsage[]> {
    const { rows } = await this.pool.query<DayRow>(USAGE_BY_DAY, [accountId, from, through, keyId]);
    return rows.map((row) => ({
      day: row.day,
      model: row.model,
      cost: row.cost_nano,
      requests: Number(row.request_count),
    }));
  }

  override async charged(
    accountId: string | null,
    afterEventId: string,
    limit: number,
  ): Promise<ChargedPage> {
    const sql = accountId === null ? CHARGED_OF_ALL : CHARGED_OF_ACCOUNT;
    const { rows } = await this.pool.query<ChargedRow>(sql, [accountId, afterEventId, limit]);
    const requests = rows.flatMap((row) => (row.event_id === null ? [] : [toRequest(row, row.event_id)]));
    const next = requests.length < limit ? rows[0]!.end_id : requests.at(-1)!.eventId;
    return { requests, next };
  }

  override async eventIdAfter(afterEventId: string): Promise<string | null> {
    const { rows } = await this.pool.query<{ event_id: string | null }>(EVENT_ID_AFTER, [afterEventId]);
    return rows[0]!.event_id;
  }
}

/** @throws if the row is not an event of ours: nothing but a hand can have written that */
const fromJson = (json: unknown): UsageEvent => z.decode(usageEvent, json as z.input<typeof usageEvent>);

const toRequest = (row: ChargedRow, eventId: string): ChargedRequest => ({
  eventId,
  accountId: row.account_id,
  event: z.safeDecode(usageEvent, row.event as z.input<typeof usageEvent>).data ?? null,
  superseded: row.superseded,
  charged: row.charged_nano,
});
