import { USAGE_DAYS_MAX, type BillingPort } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import type { UsageReader } from './ports/usage-reader.js';

const DAY_MS = 86_400_000;
const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** What an account may learn of its own usage. */
export class ReadUsageEvents {
  constructor(private readonly usage: UsageReader) {}

  /** The event that is charged for a request of the account; null if the ledger has none. */
  async find({
    accountId,
    requestId,
  }: Parameters<BillingPort['findUsage']>[0]): ReturnType<BillingPort['findUsage']> {
    return { event: await this.usage.find(accountId, requestId) };
  }

  /**
   * Charges by day and model.
   * @throws Fault `invalid_value` for what is not a day, or a range of more than 400 days
   */
  async byDay(range: Parameters<BillingPort['usageByDay']>[0]): ReturnType<BillingPort['usageByDay']> {
    const days = (dayMs(range.through) - dayMs(range.from)) / DAY_MS + 1;
    if (days > USAGE_DAYS_MAX)
      throw new Fault('invalid_value', `At most ${USAGE_DAYS_MAX} days at once.`, { param: 'from' });
    return { days: days < 1 ? [] : [...(await this.usage.byDay(range))] };
  }
}

const dayMs = (day: string): number => {
  const ms = DAY.test(day) ? Date.parse(day) : Number.NaN;
  if (Number.isNaN(ms)) throw new Fault('invalid_value', `Not a day: ${day.slice(0, 32)}.`);
  return ms;
};
