import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateApiKey } from '@tunan/kernel';
import { createTestDatabase } from '@tunan/postgres/testing';
import { cliJson, eventually, HostProcess, tempDir } from '@tunan/testing';
import { CHAT, request, rightChat, type Actors } from './hostile-case.js';
import { exchange } from './raw-http.js';

/** How the command line finds the host. */
interface RunFile {
  readonly operatorToken: string;
}

interface Created {
  readonly accountId: string;
  readonly keyId: string;
  readonly apiKey: string;
}

/** Options of an account; plenty of everything unless given. */
export interface AccountOptions {
  readonly credit?: string;
  readonly rpm?: number;
  readonly tpm?: number;
  readonly concurrency?: number;
  /** Has paid a dollar. */
  readonly paid?: boolean;
}

/** The platform in a process of its own, as it is shipped, and what its tests look at from outside. */
export interface HostileRig {
  /** Port of the public API. */
  readonly port: number;
  readonly host: HostProcess;
  readonly actors: Actors;
  /** A key that works, of somebody who means no harm. */
  readonly otherKey: string;
  /** Account of `actors.key`. */
  readonly accountId: string;
  newAccount(options?: AccountOptions): Promise<Created>;
  /** Revokes a key that may be in use. */
  revoke(keyId: string): Promise<void>;
  /** Further keys of the account of `actors.key`. */
  newKeys(count: number): Promise<readonly string[]>;
  /** Calls that came to the simulator so far. */
  callsUpstream(): Promise<number>;
  /** Holds that have not ended. */
  holds(): Promise<number>;
  /** The exposition of all metrics. */
  metrics(): Promise<string>;
  /** @throws Error unless the process lives and answers */
  alive(): Promise<void>;
  /** Nano-dollars that an account has in the ledger. */
  balance(accountId: string): Promise<bigint>;
  stop(): Promise<number | null>;
}

/** The tests' own clients come from 127.0.0.1, which may name others; 127.0.0.2 is somebody who may not. */
const TRUSTED_PROXY = '127.0.0.1';

/** Starts the platform with settings for a test that is meant to hurt. */
export const startHostileRig = async (env: Readonly<Record<string, string>> = {}): Promise<HostileRig> => {
  const dir = tempDir();
  const database = await createTestDatabase();
  const host = await HostProcess.start({
    dataDir: dir.path,
    env: {
      DATABASE_URL: database.url,
      INGRESS_TRUSTED_PROXIES: TRUSTED_PROXY,
      SIMULATOR_LOG_FILE: 'false',
      ...env,
    },
  });
  const { apiUrl, opsUrl, simulatorUrl } = host.facts;
  const port = Number(new URL(apiUrl!).port);
  const cli = <Answer>(...args: string[]): Promise<Answer> => cliJson([...args, '--data-dir', dir.path], {});

  const newAccount = async ({
    credit = '100',
    rpm = 1_000_000,
    tpm = 1_000_000_000,
    concurrency = 1_000,
    paid = false,
  }: AccountOptions = {}) => {
    const email = `user-${Math.random().toString(36).slice(2)}@example.com`;
    const limits = ['--rpm', `${rpm}`, '--tpm', `${tpm}`, '--concurrency', `${concurrency}`];
    const created = await cli<Created>('account', 'create', '--email', email, '--credit', credit, ...limits);
    if (paid) await cli('credit', 'add', '--account', created.accountId, '--amount', '1');
    return created;
  };
  const metrics = async (): Promise<string> => (await fetch(`${opsUrl}/metrics`)).text();

  /** An account whose status is changed behind the platform's back, once the platform has noticed. */
  const withStatus = async (status: string): Promise<string> => {
    const { accountId, apiKey } = await newAccount();
    await database.pool.query(
      'UPDATE account SET status = $2, profile_version = profile_version + 1 WHERE id = $1',
      [accountId, status],
    );
    const ask = request({ key: apiKey, body: JSON.stringify(rightChat), path: CHAT });
    await eventually(
      `the account is ${status}`,
      async () => (await exchange(port, [ask])).answers[0]?.status === 403,
      30_000,
    );
    return apiKey;
  };

  const revoke = async (keyId: string): Promise<void> => void (await cli('key', 'revoke', '--key', keyId));

  const newKey = async (accountId: string): Promise<string> => {
    const { operatorToken } = JSON.parse(readFileSync(join(dir.path, 'host.json'), 'utf8')) as RunFile;
    const answer = await fetch(`${opsUrl}/operator/v1/accounts/${accountId}/keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${operatorToken}`, 'content-type': 'application/json' },
      body: '{}',
    });
    return ((await answer.json()) as Created).apiKey;
  };

  const main = await newAccount({ credit: '1000' });
  const restricted = await cli<Created>(
    'key',
    'create',
    '--account',
    main.accountId,
    '--models',
    'qwen3.5-flash',
  );
  const revoked = await cli<Created>('key', 'create', '--account', main.accountId);
  await revoke(revoked.keyId);
  const expired = await newAccount();
  await database.pool.query(`UPDATE api_key SET expires_at = now() - interval '1 day' WHERE id = $1`, [
    expired.keyId,
  ]);
  const poor = await newAccount({ credit: '0.001' });
  const penniless = await newAccount({ credit: '0' });

  return {
    port,
    host,
    otherKey: (await newAccount()).apiKey,
    accountId: main.accountId,
    actors: {
      key: main.apiKey,
      restrictedKey: restricted.apiKey,
      revokedKey: revoked.apiKey,
      expiredKey: expired.apiKey,
      unknownKey: generateApiKey(),
      poorKey: poor.apiKey,
      pennilessKey: penniless.apiKey,
      suspendedKey: await withStatus('suspended'),
      unverifiedKey: await withStatus('unverified'),
    },
    newAccount,
    revoke,
    newKeys: async (count) => {
      const keys: string[] = [];
      while (keys.length < count) keys.push(await newKey(main.accountId));
      return keys;
    },
    metrics,
    callsUpstream: async () => {
      const log = await fetch(`${simulatorUrl}/control/stats`);
      return ((await log.json()) as { requests: number }).requests;
    },
    holds: async () => Number(/^tunan_auth_holds (\d+)$/m.exec(await metrics())?.[1]),
    alive: async () => {
      if (host.child.exitCode !== null) throw new Error(`the host ended: ${host.printed}`);
      const { ok } = await fetch(`${opsUrl}/livez`, { signal: AbortSignal.timeout(10_000) });
      if (!ok) throw new Error('the host is not alive');
    },
    balance: async (accountId) => {
      const { balanceNano } = await cli<{ balanceNano: string }>('ledger', 'show', '--account', accountId);
      return BigInt(balanceNano);
    },
    stop: async () => {
      const code = await host.stop();
      await database.drop();
      dir.remove();
      return code;
    },
  };
};
