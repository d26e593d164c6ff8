import type { Catalog } from '@tunan/contracts';
import { parseUsd } from '@tunan/kernel';
import { SOLD_BELOW_LIST_COST } from './deviations.js';
import {
  EMBEDDING_MODELS,
  FAILOVER,
  LIMITS,
  MODEL_MAPPING,
  MORE_ALIASES,
  SIGNUP_GRANT,
  TEXT_MODELS,
  TOP_UPS,
  VISION_MODELS,
} from './seed-facts.js';

type Rows = Readonly<Record<string, unknown>>;

const show = (value: unknown): string =>
  JSON.stringify(value, (_key, member: unknown) => (typeof member === 'bigint' ? `${member}n` : member));

/** Compares two sets of named rows in both directions: what is missing, what is extra, what differs. */
const compare = (what: string, expected: Rows, actual: Rows): string[] => {
  const found: string[] = [];
  for (const [name, row] of Object.entries(expected)) {
    if (!Object.hasOwn(actual, name)) found.push(`${what} ${name}: missing`);
    else if (show(actual[name]) !== show(row))
      found.push(`${what} ${name}: ${show(actual[name])}, documented ${show(row)}`);
  }
  for (const name of Object.keys(actual))
    if (!Object.hasOwn(expected, name)) found.push(`${what} ${name}: not documented`);
  return found;
};

const rows = <Entry>(
  entries: readonly Entry[],
  name: (entry: Entry) => string,
  row: (entry: Entry) => unknown,
): Rows => Object.fromEntries(entries.map((entry) => [name(entry), row(entry)]));

const price = (input: string, output: string) => ({ input: parseUsd(input), output: parseUsd(output) });

const modelDifferences = (catalog: Catalog): string[] => {
  const expected = {
    ...rows(
      TEXT_MODELS,
      (fact) => fact.id,
      (fact) => ({
        kind: 'chat',
        provider: fact.provider,
        price: price(fact.input, fact.output),
        context: fact.contextTokens,
        vision: false,
        dimensions: null,
      }),
    ),
    ...rows(
      VISION_MODELS,
      (fact) => fact.id,
      (fact) => ({
        kind: 'chat',
        provider: fact.provider,
        price: price(fact.ours.input, fact.ours.output),
        context: fact.contextTokens,
        vision: true,
        dimensions: null,
      }),
    ),
    ...rows(
      EMBEDDING_MODELS,
      (fact) => fact.id,
      (fact) => ({
        kind: 'embedding',
        provider: fact.provider,
        price: price(fact.ours.input, fact.ours.output),
        context: null,
        vision: false,
        dimensions: fact.dimensions,
      }),
    ),
  };
  const actual = rows(
    catalog.models,
    (model) => model.id,
    (model) => ({
      kind: model.kind,
      provider: model.ownedBy,
      price: { input: model.price.input, output: model.price.output },
      // The documentation gives embedding models a vector length instead of a context.
      context: model.kind === 'embedding' ? null : model.contextTokens,
      vision: model.capabilities.includes('vision'),
      dimensions: model.dimensions[0] ?? null,
    }),
  );
  return compare('model', expected, actual);
};

const moneyDifferences = (catalog: Catalog): string[] => [
  ...compare(
    'top-up',
    rows(
      TOP_UPS,
      (fact) => fact.name,
      (fact) => ({ ...price(fact.price, fact.credits), bonus: BigInt(fact.bonusPercent) }),
    ),
    rows(
      catalog.topUps,
      (entry) => entry.name,
      (entry) => ({
        input: entry.price,
        output: entry.credits,
        bonus: (entry.credits * 100n) / entry.price - 100n,
      }),
    ),
  ),
  ...compare('sign-up', { grant: parseUsd(SIGNUP_GRANT.usd) }, { grant: catalog.signupGrant }),
];

const limitDifferences = (catalog: Catalog): string[] => {
  const limits = ({ rpm, tpm, concurrency }: Catalog['tiers']['free']) => ({ rpm, tpm, concurrency });
  return compare(
    'tier',
    { free: limits(LIMITS.free), paid: limits(LIMITS.paid) },
    { free: limits(catalog.tiers.free), paid: limits(catalog.tiers.paid) },
  );
};

/** The provider sold is the provider that serves; the one documented backup is there, after the primary. */
const channelDifferences = (catalog: Catalog): string[] =>
  catalog.models.flatMap((model) => {
    const providers = catalog.channels
      .filter((channel) => channel.model === model.id)
      .sort((a, b) => b.priority - a.priority)
      .map((channel) => channel.provider);
    const documented = model.id === FAILOVER.model ? [FAILOVER.primary, FAILOVER.backup] : [model.ownedBy];
    return compare('channels of', { [model.id]: documented }, { [model.id]: providers });
  });

/** Sides of a model's price that are below the list cost of its first channel. */
const belowCost = (catalog: Catalog): string[] =>
  catalog.models.flatMap((model) => {
    const primary = catalog.channels
      .filter((channel) => channel.model === model.id)
      .sort((a, b) => b.priority - a.priority)[0];
    const cost = primary?.cost;
    if (cost === undefined) return [];
    return (['input', 'output'] as const)
      .filter((side) => model.price[side] < cost[side])
      .map((side) => `${model.id} ${side}`);
  });

/** What in a catalog is not as the product documentation and the list of deviations say: one line each. */
export const catalogDifferences = (catalog: Catalog): string[] => [
  ...modelDifferences(catalog),
  ...moneyDifferences(catalog),
  ...limitDifferences(catalog),
  ...channelDifferences(catalog),
  ...compare(
    'alias',
    {
      ...rows(
        MODEL_MAPPING,
        (fact) => fact.openai,
        (fact) => fact.ours,
      ),
      ...MORE_ALIASES,
    },
    catalog.aliases,
  ),
  ...compare(
    'below cost:',
    rows(
      SOLD_BELOW_LIST_COST,
      ({ model, side }) => `${model} ${side}`,
      () => true,
    ),
    rows(
      belowCost(catalog),
      (name) => name,
      () => true,
    ),
  ),
];
