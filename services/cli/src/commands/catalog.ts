import { readFile } from 'node:fs/promises';
import { wholeNumber, type Command } from '../command.js';
import { CommandError, UsageError } from '../errors.js';
import { table } from '../table.js';

interface Snapshot {
  readonly version: number;
  readonly active: boolean;
  readonly note: string;
  readonly createdAt: string;
}

interface Price {
  readonly input: string;
  readonly cachedInput?: string;
  readonly output: string;
}

interface ShownCatalog extends Snapshot {
  readonly catalog: {
    readonly models: readonly { readonly id: string; readonly price: Price }[];
    readonly channels: readonly { readonly model: string }[];
  };
}

interface BelowCost {
  readonly model: string;
  readonly channel: string;
  readonly tokens: string;
  readonly priceUsd: string;
  readonly costUsd: string;
}

interface Activation {
  readonly activated: boolean;
  readonly version: number | null;
  readonly belowCost: readonly BelowCost[];
}

/** More snapshots than anybody reads. */
const PAGES_MAX = 1_000;
/** What a refusal names. */
const NAMED_MAX = 20;
/** Above the largest body that the operator API takes. */
const FILE_BYTES_MAX = 1_048_576;

const summary = ({ version, active, createdAt, note }: Snapshot): string =>
  `Version ${version}${active ? ' (active)' : ''}, ${createdAt}${note === '' ? '' : `: ${note}`}`;

export const catalogShow: Command = {
  name: 'catalog show',
  help: 'show the active catalog, or another snapshot',
  options: { version: { value: 'N', help: 'number of a snapshot' } },
  async run(client, values) {
    const version = wholeNumber(values, 'version');
    const query: Record<string, string> = version === undefined ? {} : { version: String(version) };
    const shown = await client.get<ShownCatalog>('/catalog', query);
    const { models, channels } = shown.catalog;
    const rows = models.map(({ id, price }) => [
      id,
      price.input,
      price.cachedInput ?? price.input,
      price.output,
      String(channels.filter(({ model }) => model === id).length),
    ]);
    const columns = ['INPUT', 'CACHED', 'OUTPUT', 'CHANNELS'];
    return { json: shown, text: `${table(['MODEL', ...columns], rows, columns)}\n${summary(shown)}` };
  },
};

export const catalogList: Command = {
  name: 'catalog list',
  help: 'list all catalog snapshots, newest first',
  options: {},
  async run(client) {
    const snapshots: Snapshot[] = [];
    let before: number | null = null;
    for (let pages = 0; pages < PAGES_MAX; pages += 1) {
      const query: Record<string, string> = before === null ? {} : { before: String(before) };
      const page = await client.get<{ snapshots: Snapshot[]; next: number | null }>(
        '/catalog/snapshots',
        query,
      );
      snapshots.push(...page.snapshots);
      if (page.next === null || page.next === before) break;
      before = page.next;
    }
    const rows = snapshots.map(({ version, active, createdAt, note }) => [
      String(version),
      active ? 'active' : '',
      createdAt,
      note,
    ]);
    return { json: { snapshots }, text: table(['VERSION', '', 'AT', 'NOTE'], rows, ['VERSION']) };
  },
};

const belowCostTable = (belowCost: readonly BelowCost[]): string =>
  table(
    ['MODEL', 'CHANNEL', 'TOKENS', 'PRICE', 'COST'],
    belowCost.map(({ model, channel, tokens, priceUsd, costUsd }) => [
      model,
      channel,
      tokens,
      priceUsd,
      costUsd,
    ]),
    ['PRICE', 'COST'],
  );

/** On one line, as all failures are. */
const shortList = (belowCost: readonly BelowCost[]): string => {
  const named = belowCost
    .slice(0, NAMED_MAX)
    .map(
      ({ channel, tokens, priceUsd, costUsd }) => `${channel} ${tokens} at ${priceUsd} (costs ${costUsd})`,
    );
  const more = belowCost.length - named.length;
  return [...named, ...(more > 0 ? [`${more} more`] : [])].join(', ');
};

const readDocument = async (file: string): Promise<string> => {
  let text: Buffer;
  try {
    text = await readFile(file);
  } catch (error) {
    throw new CommandError(`${file} can't be read: ${(error as NodeJS.ErrnoException).code}.`);
  }
  if (text.length > FILE_BYTES_MAX) throw new CommandError(`${file} is larger than 1 MiB.`);
  return text.toString('utf8');
};

export const catalogActivate: Command = {
  name: 'catalog activate',
  help: 'sell by another catalog: a file as a new snapshot, or a snapshot that is stored',
  options: {
    file: { value: 'F', help: 'catalog file, YAML or JSON' },
    version: { value: 'N', help: 'number of a snapshot, instead of a file' },
    note: { value: 'TEXT', help: 'why, for the list' },
    yes: { value: null, help: 'accept what would be sold below cost' },
  },
  async run(client, values) {
    const { file, note } = values;
    const version = wholeNumber(values, 'version');
    if ((file === undefined) === (version === undefined))
      throw new UsageError('Give either --file or --version.');
    const answer = await client.post<Activation>('/catalog/activate', {
      document: file === undefined ? undefined : await readDocument(file),
      version,
      note,
      acceptBelowCost: values['yes'] === 'yes',
    });
    const below = answer.belowCost.length === 0 ? '' : `${belowCostTable(answer.belowCost)}\n`;
    if (answer.activated) return { json: answer, text: `${below}Version ${answer.version} is active.` };
    throw new CommandError(
      `Nothing was activated: this catalog would sell below cost: ${shortList(answer.belowCost)}. Add --yes to accept that.`,
    );
  },
};
