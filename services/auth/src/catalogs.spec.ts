import { beforeEach, describe, expect, it } from '@jest/globals';
import { Fault } from '@tunan/kernel';
import { Catalogs } from './catalogs.js';
import { away } from './testing/memory-account-source.js';
import { aSnapshot, MemoryCatalogSource } from './testing/memory-catalog-source.js';

describe('Catalogs', () => {
  let source: MemoryCatalogSource;
  let catalogs: Catalogs;
  beforeEach(() => {
    source = new MemoryCatalogSource();
    catalogs = new Catalogs(source);
  });

  it('has nothing before the first snapshot', async () => {
    expect(await catalogs.poll()).toBe(false);
    expect(catalogs.active).toBeUndefined();
    expect(await catalogs.snapshot(null, null)).toBeNull();
  });

  it('follows the active snapshot, and says when it is another', async () => {
    source.activate(aSnapshot(1));
    expect(await catalogs.poll()).toBe(true);
    expect(await catalogs.poll()).toBe(false);
    source.activate(aSnapshot(2));
    expect(await catalogs.poll()).toBe(true);
    expect(catalogs.active!.version).toBe(2);
    source.activate(aSnapshot(1));
    expect(await catalogs.poll()).toBe(true);
    expect(catalogs.active!.version).toBe(1);
  });

  it('gives the active snapshot out unless it is known', async () => {
    source.activate(aSnapshot(7));
    expect((await catalogs.snapshot(null, null))?.version).toBe(7);
    expect((await catalogs.snapshot(6, null))?.version).toBe(7);
    expect(await catalogs.snapshot(7, null)).toBeNull();
  });

  it('gives any snapshot out by number, and null for one that does not exist', async () => {
    source.activate(aSnapshot(1));
    source.activate(aSnapshot(2));
    expect((await catalogs.snapshot(2, 1))?.version).toBe(1);
    expect(await catalogs.snapshot(null, 99)).toBeNull();
  });

  // Guarantee: what was read once stays right while Postgres is away, so running requests can be settled.
  it('answers from memory while the source is away', async () => {
    source.activate(aSnapshot(1));
    await catalogs.poll();
    source.before = away;
    await expect(catalogs.poll()).rejects.toBeInstanceOf(Fault);
    expect(catalogs.active!.version).toBe(1);
    expect(catalogs.terms(1, 'some-model')).toMatchObject({
      price: { input: 1_000_000_000n, cachedInput: 1_000_000_000n, output: 2_000_000_000n },
      ceilingDefault: 1_000,
      contextTokens: 128_000,
    });
    await expect(catalogs.snapshot(null, 2)).rejects.toMatchObject({ code: 'service_unavailable' });
    await expect(catalogs.terms(2, 'some-model')).rejects.toMatchObject({ code: 'service_unavailable' });
  });

  it('reads an older snapshot once, whoever asks', async () => {
    source.activate(aSnapshot(1));
    source.activate(aSnapshot(2));
    const before = source.reads;
    const terms = await Promise.all([1, 1, 1].map((version) => catalogs.terms(version, 'some-model')));
    expect(terms).toHaveLength(3);
    await catalogs.terms(1, 'some-model');
    expect(source.reads - before).toBe(1);
  });

  it('knows no model and no snapshot that do not exist', async () => {
    source.activate(aSnapshot(1));
    await catalogs.poll();
    expect(() => catalogs.terms(1, 'no-model')).toThrow(
      expect.objectContaining({ code: 'model_not_found' }) as never,
    );
    await expect(catalogs.terms(9, 'some-model')).rejects.toMatchObject({ code: 'internal_error' });
  });

  it('keeps a bounded number of snapshots, and always the active one', async () => {
    source.activate(aSnapshot(1));
    await catalogs.poll();
    for (let version = 2; version <= 60; version += 1) {
      source.snapshots.set(version, aSnapshot(version));
      await catalogs.terms(version, 'some-model');
    }
    const before = source.reads;
    await catalogs.terms(1, 'some-model');
    await catalogs.terms(60, 'some-model');
    expect(source.reads).toBe(before);
    await catalogs.terms(2, 'some-model');
    expect(source.reads).toBe(before + 1);
  });
});
