import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readConfig } from '@tunan/config';
import { catalog, type CatalogWire } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import { Health } from '@tunan/service-kit';
import { pino } from 'pino';
import { accountConfig } from './account.config.js';
import { CatalogFileError, CatalogSeed, readCatalogFile } from './catalog-seed.js';

const { CATALOG_FILE } = readConfig(accountConfig, {
  OPERATOR_TOKEN: 't',
  KEY_PEPPER: `1:${'ab'.repeat(32)}`,
});

describe('readCatalogFile', () => {
  let folder: string;
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'tunan-catalog-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  const file = (text: string): string => {
    const path = join(folder, 'catalog.yaml');
    writeFileSync(path, text);
    return path;
  };

  // Guarantee: a stored snapshot says everything itself, so that a later default can't change what was sold.
  it('reads the catalog of the repository and writes every default out', async () => {
    const wire = await readCatalogFile(CATALOG_FILE);
    expect(catalog.parse(wire)).toEqual(catalog.parse(JSON.parse(JSON.stringify(wire))));
    for (const channel of wire.channels) {
      expect(channel.timeouts).toEqual(
        expect.objectContaining({ connectMs: 5_000, idleMs: 60_000, totalMs: 600_000 }),
      );
      expect([channel.weight, channel.priority, channel.billsAfterCancel].includes(undefined)).toBe(false);
    }
    for (const model of wire.models) expect(model.thinking).toMatch(/^(never|always)$/);
  });

  it.each([
    ['is missing', () => join(folder, 'none.yaml'), /ENOENT/],
    ['is no YAML', () => file('models: ['), /catalog\.yaml: /],
    ['is empty', () => file(''), /expected object/],
    ['has an unquoted price', () => file('signupGrant: 0.5\nmodels: []'), /signupGrant: /],
  ])('refuses a file that %s, in one line', async (_name, make, message) => {
    const error = await readCatalogFile(make()).catch((thrown: Error) => thrown);
    expect(error).toBeInstanceOf(CatalogFileError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toContain('\n');
  });
});

describe('CatalogSeed', () => {
  const make = (path: string, isEmpty: () => Promise<boolean>) => {
    const clock = new TestClock();
    const health = new Health();
    const stored: CatalogWire[] = [];
    const store = {
      isEmpty,
      seed: async (body: CatalogWire) => {
        stored.push(body);
        return 1n;
      },
    };
    const dependency = health.dependency('catalog in postgres');
    return {
      clock,
      health,
      stored,
      seed: new CatalogSeed(store, path, clock, pino({ level: 'silent' }), dependency),
    };
  };

  it('fills an empty database and leaves another alone, also if the file is gone', async () => {
    const empty = make(CATALOG_FILE, async () => true);
    await empty.seed.start();
    expect([empty.stored.length, empty.health.ready]).toEqual([1, true]);
    const filled = make('/nowhere/catalog.yaml', async () => false);
    await filled.seed.start();
    expect([filled.stored.length, filled.health.ready]).toEqual([0, true]);
  });

  it('fails the start where the file is needed and unusable', async () => {
    await expect(make('/nowhere/catalog.yaml', async () => true).seed.start()).rejects.toThrow(
      CatalogFileError,
    );
  });

  // Guarantee: a database that is away at the start delays readiness and nothing else.
  it('waits for a database that is away', async () => {
    let away = true;
    const { clock, health, stored, seed } = make(CATALOG_FILE, async () => {
      if (away) throw new Fault('service_unavailable', 'away');
      return true;
    });
    await seed.start();
    expect(health.ready).toBe(false);
    clock.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
    away = false;
    clock.advance(1_000);
    while (!health.ready) await new Promise((resolve) => setImmediate(resolve));
    expect(stored.length).toBe(1);
    expect(clock.waiting).toBe(0);
  });
});
