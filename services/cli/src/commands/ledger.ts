import { formatUsd } from '@tunan/kernel';
import { required, segment, type Command } from '../command.js';
import { CommandError } from '../errors.js';
import type { OperatorClient } from '../operator-client.js';
import { table } from '../table.js';

interface Entry {
  readonly eventId: string;
  readonly requestId: string | null;
  readonly kind: string;
  readonly amountNano: string;
  readonly at: string;
}

interface Page {
  readonly balanceNano: string;
  readonly entries: readonly Entry[];
  readonly next: string | null;
}

const ENTRIES_PER_PAGE = 5_000;
/** 50 million entries: more than a terminal or a pipe will ever want, less than for ever. */
const PAGES_MAX = 10_000;

/** Every entry, in ledger order, with the balance of the last page: what comes later is in neither. */
const readLedger = async (
  client: OperatorClient,
  account: string,
): Promise<{ balanceNano: string; entries: Entry[] }> => {
  const entries: Entry[] = [];
  let after: string | null = null;
  for (let pages = 0; pages < PAGES_MAX; pages += 1) {
    const query: Record<string, string> = {
      limit: String(ENTRIES_PER_PAGE),
      ...(after === null ? {} : { after }),
    };
    const page: Page = await client.get<Page>(`/accounts/${segment(account)}/ledger`, query);
    for (const { eventId, requestId, kind, amountNano, at } of page.entries)
      entries.push({ eventId, requestId, kind, amountNano, at });
    if (page.next === null) return { balanceNano: page.balanceNano, entries };
    if (page.next === after)
      throw new CommandError('The platform answered the same page of the ledger twice.');
    after = page.next;
  }
  throw new CommandError(`The ledger has more than ${PAGES_MAX * ENTRIES_PER_PAGE} entries.`);
};

export const ledgerShow: Command = {
  name: 'ledger show',
  help: 'show all ledger entries of an account and its balance',
  options: { account: { value: 'ID', help: 'account id', required: true } },
  async run(client, values) {
    const ledger = await readLedger(client, required(values, 'account'));
    const rows = ledger.entries.map((entry) => [
      entry.at,
      entry.kind,
      formatUsd(BigInt(entry.amountNano)),
      entry.requestId ?? '-',
      entry.eventId,
    ]);
    const total = `${ledger.entries.length} entries, balance $${formatUsd(BigInt(ledger.balanceNano))}`;
    return {
      json: ledger,
      text: `${table(['AT', 'KIND', 'USD', 'REQUEST', 'EVENT'], rows, ['USD'])}\n${total}`,
    };
  },
};
