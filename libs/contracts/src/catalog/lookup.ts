import type { TokenPrice } from '@tunan/kernel';
import type { Catalog, CatalogChannel, CatalogModel, CatalogSnapshot } from './catalog.js';

/** A model that a request named, and the name it used if that was an alias. */
export interface ResolvedModel {
  readonly model: CatalogModel;
  readonly alias: string | undefined;
}

/** A catalog snapshot indexed for the request path. */
export class CatalogIndex {
  readonly version: number;
  readonly catalog: Catalog;
  readonly #models = new Map<string, CatalogModel>();
  /** Lower-case aliases and public ids. */
  readonly #aliases = new Map<string, CatalogModel>();
  readonly #channels = new Map<string, CatalogChannel[]>();
  readonly #prices = new Map<string, TokenPrice>();

  constructor(snapshot: CatalogSnapshot) {
    this.version = snapshot.version;
    this.catalog = snapshot.catalog;
    for (const model of snapshot.catalog.models) {
      this.#models.set(model.id, model);
      this.#aliases.set(asciiLower(model.id), model);
      const { input, cachedInput = input, output } = model.price;
      this.#prices.set(model.id, { input, cachedInput, output });
    }
    for (const [alias, target] of Object.entries(snapshot.catalog.aliases))
      this.#aliases.set(asciiLower(alias), this.#models.get(target)!);
    for (const channel of snapshot.catalog.channels) {
      const channels = this.#channels.get(channel.model) ?? [];
      channels.push(channel);
      this.#channels.set(channel.model, channels);
    }
    for (const channels of this.#channels.values()) channels.sort((a, b) => b.priority - a.priority);
  }

  /** The model of a public id. */
  model(id: string): CatalogModel | undefined {
    return this.#models.get(id);
  }

  /** Price of a public model id. */
  price(id: string): TokenPrice | undefined {
    return this.#prices.get(id);
  }

  /** Channels of a public model id, highest priority first. */
  channels(id: string): readonly CatalogChannel[] {
    return this.#channels.get(id) ?? [];
  }

  /**
   * The model that a client asked for: a public id, or where aliases are allowed an alias, a prefixed public id or
   * alias, or either of them in capitals (`MiniMax-M2.5`). Embedding models have no aliases.
   */
  resolve(name: string, allowAliases: boolean): ResolvedModel | undefined {
    const exact = this.#models.get(name);
    if (exact !== undefined) return { model: exact, alias: undefined };
    if (!allowAliases) return undefined;
    const lower = asciiLower(name);
    const prefix = this.catalog.aliasPrefixes.find((candidate) => lower.startsWith(candidate));
    const bare = prefix === undefined ? lower : lower.slice(prefix.length);
    const target = this.#aliases.get(bare);
    return target === undefined || target.kind === 'embedding' ? undefined : { model: target, alias: name };
  }
}

/** Lower case of the letters that names are made of: what merely looks like one stays different. */
const asciiLower = (text: string): string => text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
