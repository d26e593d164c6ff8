import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ScriptedPlatform } from '../testing/scripted-platform.js';

describe('tunan', () => {
  let platform: ScriptedPlatform;
  let folder: string;
  let calls: ScriptedPlatform['calls'];
  let script: ScriptedPlatform['script'];

  beforeEach(async () => {
    platform = await ScriptedPlatform.start();
    ({ folder, calls, script } = platform);
  });
  afterEach(() => platform.stop());

  const tunan: ScriptedPlatform['tunan'] = (line, variables) => platform.tunan(line, variables);

  it('ledger rerate adds all pages up, and tells wrong charges from those that a rule lowered', async () => {
    const path = '/operator/v1/ledger/rerating?limit=1000&account=acc_1';
    const wrong = {
      eventId: 'r-1:final',
      accountId: 'acc_1',
      faults: ['ledger'],
      chargedNano: '5',
      statedNano: '4',
      reratedNano: '4',
      flags: [],
    };
    const lowered = { ...wrong, eventId: 'r-2:final', faults: [], chargedNano: '0', flags: ['uncharged'] };
    const page = { events: 2, chargedNano: '5', reratedNano: '4', differences: [wrong], next: 'r-1:final' };
    script[`GET ${path}`] = [200, page];
    script[`GET ${path}&after=r-1%3Afinal`] = [200, { ...page, differences: [lowered], next: null }];
    const json = await tunan('ledger rerate --account acc_1 --json');
    expect(json).toMatchObject({ status: 0, error: ['tunan: 1 charges are not what they should be.'] });
    expect(JSON.parse(json.out)).toEqual({
      events: 4,
      chargedNano: '10',
      reratedNano: '8',
      differences: [wrong],
      explained: [lowered],
      truncated: false,
    });
    expect((await tunan('ledger rerate --account acc_1')).out.split('\n').at(-1)).toBe(
      '4 charges, $0.00000001: 1 differ, 1 are flagged',
    );
  });

  it('catalog activate sends the file, and without --yes names what would be sold below cost', async () => {
    const file = join(folder, 'catalog.yaml');
    writeFileSync(file, 'models: []');
    const below = { model: 'm', channel: 'c', tokens: 'output', priceUsd: '0.40', costUsd: '0.60' };
    script['POST /operator/v1/catalog/activate'] = [
      [200, { activated: false, version: null, belowCost: [below] }],
      [200, { activated: true, version: 2, belowCost: [below] }],
    ];
    expect(await tunan(`catalog activate --file ${file}`)).toEqual({
      status: 1,
      out: '',
      error: [expect.stringMatching(/below cost: c output at 0\.40 \(costs 0\.60\)\. Add --yes/)],
    });
    const accepted = await tunan(`catalog activate --file ${file} --yes --note cheap`);
    expect(accepted.out.split('\n').at(-1)).toBe('Version 2 is active.');
    expect(calls.map(({ body }) => body)).toEqual([
      { document: 'models: []', acceptBelowCost: false },
      { document: 'models: []', note: 'cheap', acceptBelowCost: true },
    ]);
  });

  it('catalog activate needs a file or a version, and one that can be read', async () => {
    expect((await tunan('catalog activate')).status).toBe(2);
    expect((await tunan('catalog activate --file a --version 1')).status).toBe(2);
    expect(await tunan(`catalog activate --file ${join(folder, 'none.yaml')}`)).toMatchObject({
      status: 1,
      error: [expect.stringContaining('ENOENT')],
    });
  });

  it('catalog show and list', async () => {
    const snapshot = { version: 2, active: true, note: 'dearer', createdAt: '2026-06-14T10:00:00.000Z' };
    const catalog = {
      models: [{ id: 'm', price: { input: '0.20', output: '0.40' } }],
      channels: [{ model: 'm' }, { model: 'other' }],
    };
    script['GET /operator/v1/catalog?version=2'] = [200, { ...snapshot, catalog }];
    script['GET /operator/v1/catalog/snapshots'] = [200, { snapshots: [snapshot], next: 2 }];
    script['GET /operator/v1/catalog/snapshots?before=2'] = [200, { snapshots: [], next: null }];
    expect((await tunan('catalog show --version 2')).out.split('\n').slice(1)).toEqual([
      'm       0.20    0.20    0.40         1',
      'Version 2 (active), 2026-06-14T10:00:00.000Z: dearer',
    ]);
    expect(JSON.parse((await tunan('catalog list --json')).out)).toEqual({ snapshots: [snapshot] });
  });
});
