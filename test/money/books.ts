import { eventually } from '@tunan/testing';
import type { Platform } from '../e2e/topology.js';

/** One row of an account's ledger, in nano-dollars. */
export interface LedgerRow {
  readonly eventId: string;
  readonly requestId: string | null;
  readonly kind: string;
  readonly amount: bigint;
}

/** An account's ledger, in order, and its balance. */
export interface Books {
  readonly balance: bigint;
  readonly rows: readonly LedgerRow[];
}

/** Gauges of the admission store that are zero once everything that was asked for has been settled and booked. */
const UNSETTLED = ['tunan_auth_holds', 'tunan_auth_pending_charges', 'tunan_auth_outbox_events'];
const SETTLE_TIMEOUT_MS = 90_000;

/** The values of some metrics, wherever in the platform they are; those that nobody has are left out. */
export const readGauges = async (
  platform: Pick<Platform, 'opsUrls'>,
  names: readonly string[],
): Promise<ReadonlyMap<string, number>> => {
  const found = new Map<string, number>();
  for (const url of platform.opsUrls) {
    const text = await (await fetch(`${url}/metrics`)).text();
    for (const name of names) {
      const match = new RegExp(`^${name}(?:\\{[^}]*\\})? ([0-9.e+]+)$`, 'm').exec(text);
      if (match !== null) found.set(name, Number(match[1]));
    }
  }
  return found;
};

/** Waits until nothing is held, pending or on its way to the ledger. */
export const untilSettled = async (platform: Pick<Platform, 'opsUrls'>): Promise<void> => {
  await eventually(
    'nothing is held, pending or on its way',
    async () => {
      const gauges = await readGauges(platform, UNSETTLED);
      return UNSETTLED.every((name) => gauges.get(name) === 0);
    },
    SETTLE_TIMEOUT_MS,
  );
};

/** Reads the whole ledger of an account. */
export const readBooks = async (platform: Pick<Platform, 'cli'>, accountId: string): Promise<Books> => {
  const ledger = await platform.cli<{
    balanceNano: string;
    entries: { eventId: string; requestId: string | null; kind: string; amountNano: string }[];
  }>('ledger', 'show', '--account', accountId);
  return {
    balance: BigInt(ledger.balanceNano),
    rows: ledger.entries.map(({ eventId, requestId, kind, amountNano }) => ({
      eventId,
      requestId,
      kind,
      amount: BigInt(amountNano),
    })),
  };
};

/** What is wrong with the arithmetic of an account's ledger: rows that do not add up, or a balance below zero at any of them. */
export const auditBooks = ({ balance, rows }: Books): string[] => {
  const problems: string[] = [];
  let running = 0n;
  for (const row of rows) {
    running += row.amount;
    if (running < 0n) problems.push(`the balance is ${running} after ${row.eventId}`);
  }
  if (running !== balance) problems.push(`the rows add up to ${running}, the balance is ${balance}`);
  return problems;
};

/** What re-rating finds wrong with an account: its charges, priced again from the catalog snapshots of their events. */
export const auditRating = async (
  platform: Pick<Platform, 'cli'>,
  accountId: string,
  { rows }: Books,
): Promise<string[]> => {
  const report = await platform.cli<{
    events: number;
    chargedNano: string;
    reratedNano: string;
    differences: unknown[];
  }>('ledger', 'rerate', '--account', accountId);
  const problems = report.differences.map((each) => `re-rated: ${JSON.stringify(each)}`);
  const requests = rows.filter(({ requestId }) => requestId !== null);
  const charged = -requests.reduce((sum, { amount }) => sum + amount, 0n);
  const rated = { charged: BigInt(report.chargedNano), again: BigInt(report.reratedNano) };
  if (rated.charged !== charged || rated.again !== charged)
    problems.push(`charged ${charged}, re-rating read ${rated.charged} and says ${rated.again}`);
  if (report.events < requests.length)
    problems.push(`only ${report.events} of ${requests.length} charges were re-rated`);
  return problems;
};
