import { catalog, type CatalogSnapshot, type CatalogWire } from '@tunan/contracts';
import { CatalogSource } from '../ports/catalog-source.js';

/** A catalog of one chat and one embedding model: a dollar per million tokens, output two. */
export const aCatalogWire = (changes: Partial<CatalogWire> = {}): CatalogWire => ({
  models: [
    {
      id: 'some-model',
      ownedBy: 'deepseek',
      kind: 'chat',
      created: 1_700_000_000,
      contextTokens: 128_000,
      outputTokensMax: 8_192,
      outputTokensDefault: 1_000,
      price: { input: '1.00', output: '2.00' },
    },
    {
      id: 'some-embedding',
      ownedBy: 'qwen',
      kind: 'embedding',
      created: 1_700_000_000,
      contextTokens: 8_192,
      outputTokensMax: 0,
      outputTokensDefault: 0,
      price: { input: '0.10', output: '0.00' },
    },
  ],
  aliases: {},
  channels: [
    { id: 'main', model: 'some-model', provider: 'deepseek', upstreamModel: 'deepseek-chat' },
    { id: 'embedding', model: 'some-embedding', provider: 'qwen', upstreamModel: 'text-embedding-v3' },
  ],
  tiers: {
    free: { rpm: 60, tpm: 500_000, concurrency: 5 },
    paid: { rpm: 600, tpm: 500_000, concurrency: 10 },
  },
  signupGrant: '0.50',
  topUps: [],
  ...changes,
});

/** A snapshot of {@link aCatalogWire}. */
export const aSnapshot = (version: number, changes: Partial<CatalogWire> = {}): CatalogSnapshot => ({
  version,
  catalog: catalog.parse(aCatalogWire(changes)),
});

/** Catalog snapshots in memory. */
export class MemoryCatalogSource extends CatalogSource {
  readonly snapshots = new Map<number, CatalogSnapshot>();
  activeVersion: number | undefined;
  reads = 0;
  /** What every read does first: throw to be away. */
  before: () => Promise<void> = () => Promise.resolve();

  activate(snapshot: CatalogSnapshot): void {
    this.snapshots.set(snapshot.version, snapshot);
    this.activeVersion = snapshot.version;
  }

  override async active(knownVersion: number | null): Promise<CatalogSnapshot | 'unchanged' | null> {
    this.reads += 1;
    await this.before();
    if (this.activeVersion === undefined) return null;
    return this.activeVersion === knownVersion ? 'unchanged' : this.snapshots.get(this.activeVersion)!;
  }

  override async byVersion(version: number): Promise<CatalogSnapshot | null> {
    this.reads += 1;
    await this.before();
    return this.snapshots.get(version) ?? null;
  }
}
