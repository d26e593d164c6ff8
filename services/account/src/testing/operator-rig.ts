import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readConfig } from '@tunan/config';
import type { AuthPort, BillingPort, LedgerEntry, Port, ContractSpec } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import { Health, type ServiceInstance } from '@tunan/service-kit';
import type { Pool } from 'pg';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { accountConfig } from '../account.config.js';
import type { CreatedAccount } from '../accounts.js';
import { account } from '../index.js';

export const OPERATOR_TOKEN = 'operator-token-of-the-tests';
export const KEY_PEPPER = `7:${'5a'.repeat(32)},6:${'a5'.repeat(32)}`;

/** Real time after which a test gives up. */
const WAIT_MS_MAX = 10_000;

type Behaviour = 'works' | 'fails' | 'hangs';

const behave = async (behaviour: Behaviour): Promise<void> => {
  if (behaviour === 'fails') throw new Fault('service_unavailable', 'away');
  if (behaviour === 'hangs') await new Promise(() => undefined);
};

const unused = async (): Promise<never> => {
  throw new Error('the account service must not make this call');
};

/** A ledger in memory that keeps billing's promise: one entry per event id, another meaning of the same id refused. */
export class FakeBilling implements BillingPort {
  behaviour: Behaviour = 'works';
  attempts = 0;
  readonly entriesOf = new Map<string, LedgerEntry[]>();
  readonly #posted = new Map<string, { accountId: string; kind: string; amount: bigint }>();

  readonly deliver: BillingPort['deliver'] = unused;

  readonly book: BillingPort['book'] = unused;
  readonly findUsage: BillingPort['findUsage'] = unused;
  readonly usageByDay: BillingPort['usageByDay'] = unused;
  readonly rerate: BillingPort['rerate'] = unused;

  readonly post: BillingPort['post'] = async ({ eventId, accountId, kind, amount }) => {
    this.attempts += 1;
    await behave(this.behaviour);
    const before = this.#posted.get(eventId);
    if (
      before !== undefined &&
      (before.accountId !== accountId || before.kind !== kind || before.amount !== amount)
    )
      throw new Fault('invalid_value', 'This reference was used for something else.');
    const list = this.entriesOf.get(accountId) ?? [];
    if (before === undefined) {
      this.#posted.set(eventId, { accountId, kind, amount });
      list.push({
        eventId,
        requestId: null,
        kind,
        amount,
        at: `2026-06-14T10:00:00.${String(list.length).padStart(6, '0')}Z`,
      });
      this.entriesOf.set(accountId, list);
    }
    return { balance: this.balance(accountId), posted: before === undefined };
  };

  readonly entries: BillingPort['entries'] = async ({ accountId, after, limit }) => {
    await behave(this.behaviour);
    const all = this.entriesOf.get(accountId) ?? [];
    const start = after === null ? 0 : Number(after);
    const end = Math.min(all.length, start + limit);
    return {
      balance: this.balance(accountId),
      entries: all.slice(start, end),
      next: end < all.length ? String(end) : null,
    };
  };

  balance(accountId: string): bigint {
    return (this.entriesOf.get(accountId) ?? []).reduce((sum, { amount }) => sum + amount, 0n);
  }
}

/** Notes which accounts it was asked to read again. */
export class FakeAuth implements Pick<AuthPort, 'refresh'> {
  behaviour: Behaviour = 'works';
  readonly refreshed: string[] = [];

  readonly refresh: AuthPort['refresh'] = async ({ accountIds }) => {
    this.refreshed.push(...accountIds);
    await behave(this.behaviour);
    return {};
  };
}

/** An answer of the operator API. */
export interface OperatorAnswer {
  readonly status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the shape is what the tests assert
  readonly body: any;
  readonly headers: Headers;
}

/** The account service over a real database, with its neighbours played, its clock standing and its API on a port. */
export class OperatorRig {
  readonly auth = new FakeAuth();
  readonly billing = new FakeBilling();
  readonly clock = new TestClock();
  readonly health = new Health();
  readonly metrics = new Registry();
  #instance!: ServiceInstance;
  #server!: Server;
  /** Base URL of the listener, as a host would give it to an operator. */
  opsUrl!: string;

  private constructor(private readonly pool: Pool) {}

  static async start(pool: Pool): Promise<OperatorRig> {
    const rig = new OperatorRig(pool);
    await rig.#start();
    return rig;
  }

  async #start(): Promise<void> {
    const ports: Readonly<Record<string, object>> = { auth: this.auth, billing: this.billing };
    this.#instance = await account.start({
      config: readConfig(accountConfig, { OPERATOR_TOKEN, KEY_PEPPER }),
      mode: 'production',
      clock: this.clock,
      logger: pino({ level: 'silent' }),
      metrics: this.metrics,
      health: this.health,
      dataDir: '/nowhere',
      port: <Contract extends ContractSpec>(contract: Contract) => ports[contract.service] as Port<Contract>,
      stage: () => {
        throw new Error('the account service sends no exchanges');
      },
      postgres: () => this.pool,
      simulatorUrl: undefined,
    });
    const [surface] = this.#instance.surfaces;
    this.#server = createServer((request, response) => surface!.handle(request, response));
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.opsUrl = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async call(
    method: 'GET' | 'POST' | 'PATCH',
    path: string,
    body?: unknown,
    token: string | null = OPERATOR_TOKEN,
  ): Promise<OperatorAnswer> {
    const response = await fetch(`${this.opsUrl}/operator/v1${path}`, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, headers: response.headers, body: await response.json() };
  }

  /** A new address: tests share a database and must not meet. */
  newEmail(): string {
    return `user-${randomUUID()}@example.com`;
  }

  /** Makes an account through the API. */
  async newAccount(terms: object = {}): Promise<CreatedAccount> {
    const { status, body } = await this.post('/accounts', { email: this.newEmail(), ...terms });
    if (status !== 201) throw new Error(`no account: ${JSON.stringify(body)}`);
    return body as CreatedAccount;
  }

  /** The first row of a query. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the columns are what the tests assert
  async row(sql: string, ...values: unknown[]): Promise<any> {
    return (await this.pool.query(sql, values)).rows[0];
  }

  async profileVersion(accountId: string): Promise<bigint> {
    return (await this.row('SELECT profile_version FROM account WHERE id = $1', accountId))
      .profile_version as bigint;
  }

  get(path: string): Promise<OperatorAnswer> {
    return this.call('GET', path);
  }

  post(path: string, body: unknown = {}): Promise<OperatorAnswer> {
    return this.call('POST', path, body);
  }

  /** Waits for a condition, moving the service's time on by `stepMs` between two looks. */
  async until(condition: () => boolean | Promise<boolean>, stepMs = 0): Promise<void> {
    const deadlineMs = performance.now() + WAIT_MS_MAX;
    while (!(await condition())) {
      if (performance.now() > deadlineMs) throw new Error('the condition never held');
      this.clock.advance(stepMs);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    let stopped = false;
    const stopping = this.#instance.stop().then(() => (stopped = true));
    await this.until(() => stopped, 1_000);
    await stopping;
  }
}
