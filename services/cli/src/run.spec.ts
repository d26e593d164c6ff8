import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ScriptedPlatform, type Answer, type Call } from './testing/scripted-platform.js';

/** A process id that no process has: the largest one Linux can give out is below it. */
const DEAD_PID = 4_194_305;
const ENTRY = {
  eventId: 'grant:acc_1',
  requestId: null,
  kind: 'grant',
  amountNano: '500000000',
  at: '2026-06-14T10:00:00.000000Z',
};
const CHARGE = {
  eventId: 'r-1:final',
  requestId: 'r-1',
  kind: 'charge',
  amountNano: '-4200',
  at: '2026-06-14T10:01:00.000000Z',
};

describe('tunan', () => {
  let platform: ScriptedPlatform;
  let opsUrl: string;
  let folder: string;
  let calls: readonly Call[];
  let script: ScriptedPlatform['script'];

  beforeEach(async () => {
    platform = await ScriptedPlatform.start();
    ({ opsUrl, folder, calls, script } = platform);
  });
  afterEach(() => platform.stop());

  const runFile = (content: unknown): void => platform.runFile(content);
  const tunan: ScriptedPlatform['tunan'] = (line, variables) => platform.tunan(line, variables);

  const created = { accountId: 'acc_1', keyId: 'key_1', apiKey: 'sk-x', opened: true };

  it('account create sends what was given, as numbers and exact amounts, with the token of the run file', async () => {
    script['POST /operator/v1/accounts'] = [201, created];
    const result = await tunan(
      'account create --email a@b.example --credit 0.000000001 --rpm 7 --tpm 1000 --concurrency 2 --json',
    );
    expect(result).toEqual({
      status: 0,
      out: '{"accountId":"acc_1","apiKey":"sk-x","keyId":"key_1"}',
      error: [],
    });
    const body = { email: 'a@b.example', creditUsd: '0.000000001', rpm: 7, tpm: 1000, concurrency: 2 };
    expect(calls).toEqual([
      { method: 'POST', url: '/operator/v1/accounts', authorization: 'Bearer op-1', body },
    ]);
  });

  it('account create leaves out what was not given, and shows the key to people too', async () => {
    script['POST /operator/v1/accounts'] = [201, created];
    const result = await tunan('account create --email a@b.example');
    expect(calls[0]!.body).toEqual({ email: 'a@b.example' });
    expect(result.out.split('\n')).toEqual(['account  acc_1', 'API key  sk-x', 'key id   key_1']);
  });

  // Guarantee: a key that can be shown once is printed even if the credit is late; the delay is told, not hidden.
  it('account create prints the key and a warning where the credit is not booked yet', async () => {
    script['POST /operator/v1/accounts'] = [201, { ...created, opened: false }];
    const result = await tunan('account create --email a@b.example --json');
    expect(result.status).toBe(0);
    expect(JSON.parse(result.out)).toMatchObject({ apiKey: 'sk-x' });
    expect(result.error).toEqual([expect.stringMatching(/^tunan: .*not booked yet/)]);
  });

  it('account show finds by id or e-mail address and prints dollars exactly', async () => {
    const account = {
      accountId: 'acc_1',
      email: 'a+b@c.example',
      displayName: 'A\u001b[2J',
      status: 'active',
      tier: 'free',
      limits: { rpm: 7, tpm: null, concurrency: null },
      aliases: true,
      balanceNano: '499995800',
      spentNano: '4200',
      requestCount: 1,
      createdAt: '2026-06-14T10:00:00.000Z',
    };
    script['GET /operator/v1/accounts/acc_1'] = [200, account];
    script['GET /operator/v1/accounts?email=a%2Bb%40c.example'] = [200, account];
    const byId = await tunan('account show --account acc_1');
    expect(byId.out).toContain('balance   $0.4999958\nspent     $0.0000042');
    expect(byId.out).toContain('limits    rpm 7, tpm as tier free, concurrency as tier free');
    expect(byId.out).not.toContain('\u001b');
    expect(JSON.parse((await tunan('account show --email a+b@c.example --json')).out)).toEqual(account);
    expect((await tunan('account show')).status).toBe(2);
    expect((await tunan('account show --account acc_1 --email a@b.example')).status).toBe(2);
  });

  it('key create, list and revoke', async () => {
    script['POST /operator/v1/accounts/acc_1/keys'] = [201, { keyId: 'key_2', apiKey: 'sk-y' }];
    const key = {
      keyId: 'key_2',
      name: 'ci',
      hint: 'sk-abcd…wxyz',
      status: 'active',
      models: ['glm-4v'],
      aliases: false,
      capNano: '2500000000',
      spentNano: '0',
      limits: { rpm: null, tpm: null, concurrency: null },
      expiresAt: null,
      createdAt: '2026-06-14T10:00:00.000Z',
      revokedAt: null,
    };
    script['GET /operator/v1/accounts/acc_1/keys'] = [200, { keys: [key] }];
    const revoked = {
      keyId: 'key_2',
      accountId: 'acc_1',
      status: 'revoked',
      revokedAt: '2026-06-14T11:00:00.000Z',
    };
    script['POST /operator/v1/keys/key_2/revoke'] = [
      [200, { ...revoked, effective: true }],
      [200, { ...revoked, effective: false }],
    ];
    expect(
      (await tunan('key create --account acc_1 --name ci --cap 2.5 --models glm-4v,glm-4-plus --json')).out,
    ).toBe('{"keyId":"key_2","apiKey":"sk-y"}');
    expect(calls[0]!.body).toEqual({ name: 'ci', capUsd: '2.5', models: ['glm-4v', 'glm-4-plus'] });
    const shown = (await tunan('key list --account acc_1')).out.split('\n');
    expect(shown[1]!.split(/ {2,}/)).toEqual([
      'key_2',
      'sk-abcd…wxyz',
      'active',
      'ci',
      '$0.0',
      '$2.5',
      'glm-4v',
      'off',
      '-',
      key.createdAt,
    ]);
    expect(await tunan('key revoke --key key_2')).toMatchObject({ status: 0, error: [] });
    expect((await tunan('key revoke --key key_2')).error).toEqual([
      expect.stringContaining('does not know it yet'),
    ]);
  });

  it('account set and key set switch aliases', async () => {
    script['PATCH /operator/v1/accounts/acc_1'] = [200, { accountId: 'acc_1', aliases: false }];
    script['PATCH /operator/v1/keys/key_2'] = [200, { keyId: 'key_2', aliases: true }];
    script['POST /operator/v1/accounts/acc_1/keys'] = [201, { keyId: 'key_3', apiKey: 'sk-z' }];
    expect((await tunan('account set --account acc_1 --aliases off')).out).toBe('acc_1: aliases are off.');
    expect((await tunan('key set --key key_2 --aliases on')).out).toBe('key_2: aliases are on.');
    await tunan('key create --account acc_1 --aliases off');
    expect(calls.map(({ body }) => body)).toEqual([
      { aliases: false },
      { aliases: true },
      { aliases: false },
    ]);
    expect(await tunan('key set --key key_2')).toMatchObject({ status: 2 });
    expect((await tunan('key set --key key_2 --aliases no')).error).toEqual([
      expect.stringContaining('--aliases must be on or off'),
    ]);
  });

  it('credit add makes up a reference, shows it, and keeps one that was given', async () => {
    script['POST /operator/v1/accounts/acc_1/credits'] = [
      [200, { balanceNano: '5500000000', posted: true }],
      [200, { balanceNano: '5500000000', posted: false }],
    ];
    const first = await tunan('credit add --account acc_1 --amount 5');
    const body = calls[0]!.body as { reference: string };
    expect(body).toEqual({
      amountUsd: '5',
      kind: 'topup',
      reference: expect.stringMatching(/^cli-[0-9a-f-]{36}$/),
    });
    expect(first.out).toBe(`Credited. Balance $5.5. Reference ${body.reference}.`);
    const second = await tunan('credit add --account acc_1 --amount 5 --kind refund --reference ticket-7');
    expect(calls[1]!.body).toEqual({ amountUsd: '5', kind: 'refund', reference: 'ticket-7' });
    expect(second.out).toBe('ticket-7 had been credited before. Balance $5.5.');
  });

  it('credit add says what was refused in the words of the command line', async () => {
    const error = { message: 'Invalid value for amountUsd: must be dollars.', param: 'amountUsd' };
    script['POST /operator/v1/accounts/acc_1/credits'] = [400, { error }];
    const refused = await tunan('credit add --account acc_1 --amount x');
    expect(refused).toEqual({
      status: 1,
      out: '',
      error: ['tunan: Invalid value for --amount: must be dollars.'],
    });
  });

  // Guarantee: whoever has to try again, not knowing what happened, can do it without paying twice.
  it('credit add names its reference where the outcome is unknown', async () => {
    script['POST /operator/v1/accounts/acc_1/credits'] = [503, { error: { message: 'Try again.' } }];
    const failed = await tunan('credit add --account acc_1 --amount 5');
    const { reference } = calls[0]!.body as { reference: string };
    expect(failed.status).toBe(1);
    expect(failed.error).toEqual([
      `tunan: Try again. If you try again, add --reference ${reference} so that it is credited once.`,
    ]);
  });

  it('ledger show follows every page and keeps the order and the last balance', async () => {
    const path = '/operator/v1/accounts/acc_1/ledger?limit=5000';
    script[`GET ${path}`] = [200, { balanceNano: '500000000', entries: [ENTRY], next: '17' }];
    script[`GET ${path}&after=17`] = [
      200,
      { balanceNano: '499995800', entries: [{ ...CHARGE, extra: 1 }], next: null },
    ];
    const json = await tunan('ledger show --account acc_1 --json');
    expect(json.out).toBe(JSON.stringify({ balanceNano: '499995800', entries: [ENTRY, CHARGE] }));
    const text = (await tunan('ledger show --account acc_1')).out.split('\n');
    expect(text[1]).toMatch(/^2026-06-14T10:00:00.000000Z {2}grant {10}0\.5 {2}- {8}grant:acc_1$/);
    expect(text[2]).toMatch(/charge {2}-0\.0000042 {2}r-1 {6}r-1:final$/);
    expect(text[3]).toBe('2 entries, balance $0.4999958');
  });

  it('ledger show ends where a platform would page for ever', async () => {
    script['GET /operator/v1/accounts/acc_1/ledger?limit=5000'] = [
      200,
      { balanceNano: '0', entries: [], next: '1' },
    ];
    script['GET /operator/v1/accounts/acc_1/ledger?limit=5000&after=1'] = [
      200,
      { balanceNano: '0', entries: [], next: '1' },
    ];
    expect(await tunan('ledger show --account acc_1')).toMatchObject({
      status: 1,
      error: [expect.stringContaining('twice')],
    });
  });

  // Guarantee: every failure is one line on standard error, nothing on standard output, and says what to do.
  it.each<[string, string, Answer, RegExp]>([
    [
      'the platform refuses',
      'key revoke --key key_9',
      [404, { error: { message: 'No such\nkey: key_9.' } }],
      /^tunan: No such key: key_9\.$/,
    ],
    [
      'something else listens',
      'key revoke --key key_9',
      [200, '<html>'],
      /answered with status 200 and no JSON/,
    ],
    ['an error has no message', 'key revoke --key key_9', [500, {}], /answered with status 500/],
    [
      'a number is none',
      'account create --email a@b.example --rpm many',
      [201, created],
      /--rpm must be a whole number, not "many"/,
    ],
  ])('exits 1 where %s', async (_name, line, answer, message) => {
    script['POST /operator/v1/keys/key_9/revoke'] = answer;
    const result = await tunan(line);
    expect(result).toMatchObject({ status: 1, out: '' });
    expect(result.error).toEqual([expect.stringMatching(message)]);
    expect(result.error[0]).not.toContain('\n');
  });

  it('says so where the operator API is not there yet', async () => {
    expect((await tunan('key list --account acc_1')).error).toEqual([
      expect.stringContaining('still starting'),
    ]);
  });

  it.each([
    ['', /No command/],
    ['account', /Unknown command: account/],
    ['account delete --account acc_1', /Unknown command: account delete/],
    ['account create', /--email is required/],
    ['account create --email', /--email/],
    ['account create --email a@b.example --colour red', /--colour/],
    ['account create extra --email a@b.example', /extra/],
  ])('exits 2 for the command line "%s"', async (line, message) => {
    const result = await tunan(line);
    expect(result).toMatchObject({ status: 2, out: '' });
    expect(result.error).toEqual([expect.stringMatching(message)]);
    expect(calls).toEqual([]);
  });

  it('prints help without a platform', async () => {
    const all = await tunan('--help', {});
    const one = await tunan('account create --help', {});
    expect([all.status, one.status]).toEqual([0, 0]);
    for (const name of [
      'account create',
      'account show',
      'key create',
      'key list',
      'key revoke',
      'credit add',
      'ledger show',
    ])
      expect(all.out).toContain(`  ${name} `);
    expect(one.out).toMatch(/--email E +e-mail address of the account \(required\)/);
  });

  describe('finds the platform', () => {
    const list = 'key list --account acc_1 --json';

    beforeEach(() => {
      script['GET /operator/v1/accounts/acc_1/keys'] = [200, { keys: [] }];
    });

    it('by --data-dir before anything else, wherever it stands', async () => {
      const variables = {
        TUNAN_DATA_DIR: '/nowhere',
        TUNAN_OPS_URL: 'http://127.0.0.1:1',
        TUNAN_OPERATOR_TOKEN: 'x',
      };
      expect((await tunan(`${list} --data-dir ${folder}`, variables)).status).toBe(0);
      expect((await tunan(`--data-dir=${folder} ${list}`, variables)).status).toBe(0);
    });

    it('by URL and token', async () => {
      expect((await tunan(list, { TUNAN_OPS_URL: `${opsUrl}/`, TUNAN_OPERATOR_TOKEN: 'op-2' })).status).toBe(
        0,
      );
      expect(calls[0]).toMatchObject({
        url: '/operator/v1/accounts/acc_1/keys',
        authorization: 'Bearer op-2',
      });
      const half = await tunan(list, { TUNAN_OPS_URL: opsUrl });
      expect([half.status, half.error]).toEqual([1, [expect.stringContaining('only work together')]]);
    });

    it.each<[string, () => void, RegExp]>([
      [
        'has no run file',
        () => rmSync(join(folder, 'host.json')),
        /not running: there is no .*host\.json.*npm start/,
      ],
      ['has half a run file', () => runFile('{"pid":'), /is not a run file/],
      ['has another file', () => runFile('null'), /is not a run file/],
      [
        'was left by a process that has gone',
        () => runFile({ pid: DEAD_PID, opsUrl: 'http://127.0.0.1:1', operatorToken: 'x' }),
        /not running: process 4194305/,
      ],
      [
        'has no operator token',
        () => runFile({ pid: process.pid, opsUrl: 'http://127.0.0.1:1' }),
        /no operator token/,
      ],
      [
        'names no http URL',
        () => runFile({ pid: process.pid, opsUrl: 'file:///etc', operatorToken: 'x' }),
        /holds no http URL/,
      ],
      [
        'names a closed port',
        () => runFile({ pid: process.pid, opsUrl: 'http://127.0.0.1:1', operatorToken: 'x' }),
        /not running: nothing listens at http:\/\/127\.0\.0\.1:1/,
      ],
    ])('or says why there is none: the folder %s', async (_name, prepare, message) => {
      prepare();
      expect(await tunan(list)).toEqual({ status: 1, out: '', error: [expect.stringMatching(message)] });
    });

    it('and says so where the run file belongs to somebody else', async () => {
      if (process.getuid?.() === 0) return;
      chmodSync(join(folder, 'host.json'), 0);
      expect((await tunan(list)).error).toEqual([expect.stringContaining('EACCES')]);
    });
  });
});
