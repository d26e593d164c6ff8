import { USAGE_DAYS_MAX } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 30;
const DATE = /^\d{4}-\d{2}-\d{2}$/;
/** The first day of the calendar: there is no year 0. */
const EARLIEST_MS = Date.parse('0001-01-01');

/** UTC days, both included; empty if `from` is after `through`. */
export interface UsageRange {
  readonly from: string;
  readonly through: string;
}

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** The date of a query parameter in Unix milliseconds; undefined where it is absent or empty. */
const dateOf = (query: Readonly<Record<string, unknown>>, param: string): number | undefined => {
  const value = query[param];
  if (value === undefined || value === '') return undefined;
  const ms = typeof value === 'string' && DATE.test(value) ? Date.parse(value) : Number.NaN;
  if (ms >= EARLIEST_MS && dayOf(ms) === value) return ms;
  throw new Fault('invalid_value', `'${param}' must be a date: YYYY-MM-DD.`, { param });
};

/**
 * The days that a usage query asks for with `start_date` and `end_date`, both included; the last 30 days without them.
 * Balance checkers ask for anything from one day to decades: what lies in the future is left out, and of a longer
 * range the last 400 days are taken.
 * @throws Fault `invalid_value` for what is no date
 */
export const usageRange = (query: Readonly<Record<string, unknown>>, nowMs: number): UsageRange => {
  const [start, end] = [dateOf(query, 'start_date'), dateOf(query, 'end_date')];
  const through = Math.min(end ?? nowMs, nowMs);
  const earliest = Math.max(through - (USAGE_DAYS_MAX - 1) * DAY_MS, EARLIEST_MS);
  const from = Math.max(start ?? through - (DEFAULT_DAYS - 1) * DAY_MS, earliest);
  return { from: dayOf(from), through: dayOf(through) };
};

/** Every day of a range. */
export const daysOf = ({ from, through }: UsageRange): readonly string[] => {
  const first = Date.parse(from);
  const count = Math.max(0, (Date.parse(through) - first) / DAY_MS + 1);
  return Array.from({ length: count }, (_, index) => dayOf(first + index * DAY_MS));
};
