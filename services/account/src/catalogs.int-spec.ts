import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@tunan/postgres/testing';
import { parse, stringify } from 'yaml';
import { OperatorRig } from './testing/operator-rig.js';

const SEED = new URL('../../../deploy/catalog.yaml', import.meta.url);

interface Document {
  models: { id: string; price: { input: string; cachedInput?: string; output: string } }[];
  channels: { id: string; model: string; cost?: { input: string; output: string } }[];
}

/** The seed's catalog with another output price of a model. */
const documentWith = (output: string, model = 'deepseek-chat'): string => {
  const document = parse(readFileSync(SEED, 'utf8')) as Document;
  document.models.find(({ id }) => id === model)!.price.output = output;
  return stringify(document, { aliasDuplicateObjects: false });
};

describe('catalog snapshots', () => {
  let database: TestDatabase;
  let rig: OperatorRig;
  beforeAll(async () => {
    database = await createTestDatabase();
    rig = await OperatorRig.start(database.pool);
  }, 60_000);
  afterAll(async () => {
    await rig.stop();
    await database.drop();
  }, 60_000);

  const priceOf = async (query = ''): Promise<string> => {
    const { body } = await rig.get(`/catalog${query}`);
    return (body.catalog as Document).models.find(({ id }) => id === 'deepseek-chat')!.price.output;
  };
  const activate = (body: object) => rig.post('/catalog/activate', { acceptBelowCost: true, ...body });

  // Guarantee: nothing is sold below cost by mistake.
  it('are not activated while something would be sold below cost and nobody said yes', async () => {
    const { status, body } = await rig.post('/catalog/activate', { document: documentWith('0.01') });
    expect(status).toBe(200);
    expect(body).toMatchObject({ activated: false, version: null });
    expect(body.belowCost).toContainEqual(
      expect.objectContaining({ model: 'deepseek-chat', tokens: 'output', priceUsd: '0.01' }),
    );
    expect((await rig.get('/catalog')).body).toMatchObject({ version: 1, active: true });
    expect((await rig.get('/catalog/snapshots')).body.snapshots).toHaveLength(1);
  });

  it('are numbered, and each says for ever what it said when it was stored', async () => {
    const second = await activate({ document: documentWith('0.50'), note: 'dearer' });
    expect(second.body).toMatchObject({ activated: true, version: expect.any(Number) });
    const { version } = second.body as { version: number };
    expect(version).toBeGreaterThan(1);
    expect([await priceOf(), await priceOf('?version=1')]).toEqual(['0.50', '0.40']);
    const { body } = await rig.get('/catalog/snapshots');
    expect(body.snapshots).toMatchObject([
      { version, active: true, note: 'dearer' },
      { version: 1, active: false },
    ]);
    for (const sql of [`UPDATE catalog_snapshot SET body = '{}'`, 'DELETE FROM catalog_snapshot'])
      await expect(database.pool.query(sql)).rejects.toThrow('append-only');
  });

  it('are stored once: the same catalog again is the same version', async () => {
    const first = await activate({ document: documentWith('0.60') });
    expect((await activate({ document: documentWith('0.60') })).body).toEqual(first.body);
  });

  it('can be activated again by number', async () => {
    expect((await activate({ version: 1 })).body).toMatchObject({ activated: true, version: 1 });
    expect(await priceOf()).toBe('0.40');
    expect((await activate({ version: 999 })).status).toBe(404);
    expect((await rig.get('/catalog?version=999')).status).toBe(404);
  });

  it('are watched: the metric counts what the active one sells below cost', async () => {
    const below = async (): Promise<number> => {
      const text = await rig.metrics.metrics();
      return Number(/^tunan_account_prices_below_cost\{tokens="output"\} (\d+)$/m.exec(text)?.[1]);
    };
    await activate({ version: 1 });
    const before = await below();
    const { body } = await activate({ document: documentWith('0.01', 'minimax-m3') });
    expect(body.activated).toBe(true);
    expect(await below()).toBeGreaterThan(before);
    await activate({ version: 1 });
    expect(await below()).toBe(before);
  });

  it.each([
    ['neither document nor version', {}],
    ['both', { document: documentWith('1'), version: 1 }],
    ['no YAML', { document: '{' }],
    ['no catalog', { document: 'models: []' }],
    ['an alias bomb', { document: 'a: &a [1]\nb: &b [*a, *a]\nmodels: [*b, *b]' }],
    ['a version that is none', { version: -1 }],
    ['an unknown member', { version: 1, force: true }],
  ])('refuse %s', async (_what, body) => {
    const answer = await activate(body);
    expect([answer.status, answer.body.error.type]).toEqual([400, 'invalid_request_error']);
  });
});
