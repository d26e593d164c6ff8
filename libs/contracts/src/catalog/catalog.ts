import { z } from 'zod';
import { parseUsd } from '@tunan/kernel';
import { PROVIDER_IDS } from '../services.js';
import { count, id } from '../wire.js';

/**
 * Dollars per million tokens, as a decimal string with at most nine places: in memory nano-dollars per million
 * tokens.
 */
export const pricePerMillion = z.codec(z.string().regex(/^\d{1,6}(\.\d{1,9})?$/), z.bigint(), {
  decode: (text) => parseUsd(text),
  encode: (amount) => {
    const fraction = (amount % 1_000_000_000n)
      .toString()
      .padStart(9, '0')
      .replace(/0{1,7}$/, '');
    return `${amount / 1_000_000_000n}.${fraction}`;
  },
});

const price = z.object({
  input: pricePerMillion,
  /** Prompt tokens that the provider served from its cache; the input price where it is not given. */
  cachedInput: pricePerMillion.optional(),
  output: pricePerMillion,
});

/** What a model can do beyond plain chat. */
export const capability = z.enum(['vision', 'tools', 'json_object', 'json_schema', 'reasoning']);

/** Whether answers of a model contain thinking; its price depends on it, so it belongs to the model id. */
export const thinking = z.enum(['never', 'always', 'switchable']);
export type Thinking = z.output<typeof thinking>;

const model = z.object({
  id,
  /** Shown as `owned_by`. */
  ownedBy: z.enum(PROVIDER_IDS),
  kind: z.enum(['chat', 'embedding']),
  /** Unix seconds; shown as `created`. */
  created: count,
  /** Tokens of prompt and answer together. */
  contextTokens: count,
  /** Largest output ceiling a client may ask for; 0 for embeddings. */
  outputTokensMax: count,
  /** Output ceiling where the client gives none. */
  outputTokensDefault: count,
  thinking: thinking.default('never'),
  capabilities: z.array(capability).default([]),
  /** Tokens of one image: the likely figure, and the most it can be. */
  imageTokens: count.default(0),
  imageTokensMax: count.default(0),
  /** Length of an embedding vector. */
  dimensions: z.array(count).default([]),
  price,
});
export type CatalogModel = z.output<typeof model>;

const timeouts = z.object({
  connectMs: count.default(5_000),
  firstContentMs: count.default(60_000),
  idleMs: count.default(60_000),
  unaryFirstByteMs: count.default(120_000),
  totalMs: count.default(600_000),
});

/** One way to serve a public model. */
const channel = z.object({
  id,
  /** Public model id. */
  model: id,
  provider: z.enum(PROVIDER_IDS),
  upstreamModel: id,
  /** Higher goes first; equal priorities share by weight. */
  priority: z.int().default(0),
  weight: z.int().min(1).default(100),
  /** The switch that the connector always sends: true asks for thinking, false forbids it, null sends nothing. */
  thinking: z.boolean().nullable().default(null),
  /** What the provider charges us, with where the figure is from. */
  cost: z
    .object({
      input: pricePerMillion,
      cachedInput: pricePerMillion.optional(),
      output: pricePerMillion,
      source: z.string().max(200),
      asOf: z.iso.date(),
    })
    .optional(),
  /** True if cancelling a call does not stop the provider's bill: an aborted stream is then drained. */
  billsAfterCancel: z.boolean().default(false),
  /**
   * The largest output ceiling of a unary call that the provider answers unstreamed. A longer answer may outlast its
   * limits or ours, and says nothing before it is whole: there the provider streams, and the answer is put together here.
   */
  unstreamedTokensMax: count.default(8_192),
  timeouts: timeouts.prefault({}),
});
export type CatalogChannel = z.output<typeof channel>;
export type ChannelTimeouts = z.output<typeof timeouts>;

const tierLimits = z.object({ rpm: count, tpm: count, concurrency: count });

/** The catalog: what is sold, at what price, by which channels, within which limits. */
export const catalog = z
  .object({
    models: z.array(model).min(1).max(500),
    /** What a client may ask for instead of a model id. */
    aliases: z.record(id, id),
    /** Prefixes that may stand before a public model id. */
    aliasPrefixes: z.array(z.string().max(32)).default([]),
    channels: z.array(channel).max(2_000),
    tiers: z.object({ free: tierLimits, paid: tierLimits }),
    /** Credit of a new account, in dollars. */
    signupGrant: pricePerMillion,
    topUps: z.array(
      z.object({ id, name: z.string().max(64), price: pricePerMillion, credits: pricePerMillion }),
    ),
  })
  .check((context) => {
    const models = new Set(context.value.models.map((entry) => entry.id));
    const problem = (message: string, path: (string | number)[]) =>
      context.issues.push({ code: 'custom', message, path, input: context.value });
    if (models.size !== context.value.models.length) problem('model ids must be unique', ['models']);
    context.value.channels.forEach((entry, index) => {
      if (!models.has(entry.model)) problem(`no such model: ${entry.model}`, ['channels', index, 'model']);
    });
    for (const [alias, target] of Object.entries(context.value.aliases)) {
      if (!models.has(target)) problem(`alias of an unknown model: ${target}`, ['aliases', alias]);
      if (models.has(alias)) problem(`alias hides a model: ${alias}`, ['aliases', alias]);
    }
    for (const entry of context.value.models)
      if (!context.value.channels.some((candidate) => candidate.model === entry.id))
        problem(`model without a channel: ${entry.id}`, ['models']);
  });
export type Catalog = z.output<typeof catalog>;
/** The form in YAML, in Postgres and on the wire. */
export type CatalogWire = z.input<typeof catalog>;

/** An immutable, numbered state of the catalog. */
export const catalogSnapshot = z.object({ version: count, catalog });
export type CatalogSnapshot = z.output<typeof catalogSnapshot>;
