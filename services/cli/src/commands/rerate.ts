import { formatUsd } from '@tunan/kernel';
import type { Command } from '../command.js';
import { CommandError } from '../errors.js';
import type { OperatorClient } from '../operator-client.js';
import { table } from '../table.js';

interface Difference {
  readonly eventId: string;
  readonly accountId: string;
  readonly faults: readonly string[];
  readonly chargedNano: string;
  readonly statedNano: string | null;
  readonly reratedNano: string | null;
  readonly flags: readonly string[];
}

interface Page {
  readonly events: number;
  readonly chargedNano: string;
  readonly reratedNano: string;
  readonly differences: readonly Difference[];
  readonly next: string | null;
}

interface Report {
  events: number;
  charged: bigint;
  rerated: bigint;
  /** Charges that are wrong. */
  readonly differences: Difference[];
  /** Charges that a rule lowered below price × usage, or whose usage was impossible, as their flags say. */
  readonly explained: Difference[];
  /** True if there was more to list than is listed. */
  truncated: boolean;
}

const EVENTS_PER_PAGE = 1_000;
/** A billion events. */
const PAGES_MAX = 1_000_000;
/** Listed entries of each kind; the figures are of all. */
const LISTED_MAX = 10_000;

const list = (into: Difference[], difference: Difference): boolean =>
  into.length < LISTED_MAX && into.push(difference) > 0;

const rerate = async (client: OperatorClient, account: string | undefined): Promise<Report> => {
  const report: Report = {
    events: 0,
    charged: 0n,
    rerated: 0n,
    differences: [],
    explained: [],
    truncated: false,
  };
  let after: string | null = null;
  for (let pages = 0; pages < PAGES_MAX; pages += 1) {
    const page: Page = await client.get<Page>('/ledger/rerating', {
      limit: String(EVENTS_PER_PAGE),
      ...(account === undefined ? {} : { account }),
      ...(after === null ? {} : { after }),
    });
    report.events += page.events;
    report.charged += BigInt(page.chargedNano);
    report.rerated += BigInt(page.reratedNano);
    for (const difference of page.differences) {
      const { differences, explained } = report;
      if (!list(difference.faults.length > 0 ? differences : explained, difference)) report.truncated = true;
    }
    if (page.next === null) return report;
    if (page.next === after)
      throw new CommandError('The platform answered the same page of the ledger twice.');
    after = page.next;
  }
  throw new CommandError(`The ledger has more than ${PAGES_MAX * EVENTS_PER_PAGE} events.`);
};

const usd = (nano: string | null): string => (nano === null ? '-' : formatUsd(BigInt(nano)));

export const ledgerRerate: Command = {
  name: 'ledger rerate',
  help: 'price all usage again from the catalog snapshots and compare it with the ledger',
  options: { account: { value: 'ID', help: 'one account only' } },
  async run(client, values) {
    const { charged, rerated, ...report } = await rerate(client, values['account']);
    const { events, differences, explained } = report;
    const rows = [...differences, ...explained].map((each) => [
      each.eventId,
      each.accountId,
      usd(each.chargedNano),
      usd(each.reratedNano),
      each.faults.join(' ') || '-',
      each.flags.join(' ') || '-',
    ]);
    const head = ['EVENT', 'ACCOUNT', 'CHARGED', 'RERATED', 'WRONG', 'FLAGS'];
    const total = `${events} charges, $${formatUsd(charged)}: ${differences.length} differ, ${explained.length} are flagged`;
    return {
      json: { ...report, chargedNano: charged.toString(), reratedNano: rerated.toString() },
      text: rows.length === 0 ? total : `${table(head, rows, ['CHARGED', 'RERATED'])}\n${total}`,
      ...(differences.length === 0
        ? {}
        : { warning: `${differences.length} charges are not what they should be.` }),
    };
  },
};
