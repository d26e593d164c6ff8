import type { AuthPort, InspectReply, SettleRequest } from '@tunan/contracts';
import { AuthMetrics, MemoryAdmissionStore, TEST_LIMITS } from '@tunan/auth/testing';
import { BillingMetrics } from '@tunan/billing/testing';
import { Registry } from 'prom-client';
import { AuthHost } from './auth-host.js';
import { BillingHost, RemoteLedger } from './billing-host.js';
import { Chance } from './chance.js';
import { ClientConnection } from './client-connection.js';
import { Database, SNAPSHOTS } from './database.js';
import { GatewayHost } from './gateway-host.js';
import { Link, NO_FAULTS, through, type LinkFaults } from './link.js';
import { Process } from './process.js';
import type { RequestPlan, Story } from './request-plan.js';
import { PRICES, type LinkName, type PostingPlan, type Scenario } from './scenario.js';
import { StoreWitness, type Held } from './store-witness.js';
import { Trace } from './trace.js';
import { VirtualTime } from './virtual-time.js';

/** Calls that wait for long; the others have a second. */
const PATIENCE_MS: Readonly<Record<string, number>> = { deliver: 30_000, transaction: 10_000, post: 10_000 };
const PATIENT = new Set([
  'settle',
  'publish',
  'refresh',
  'lockAccounts',
  'recordUsage',
  'write',
  'findTransfers',
  'findUsage',
  'book',
  'find',
  'read',
]);

const timeoutMs = (what: string): number => PATIENCE_MS[what] ?? (PATIENT.has(what) ? 5_000 : 1_000);

/** Metrics are counted across all runs of a test process; nothing reads them. */
const AUTH_METRICS = new AuthMetrics(new Registry());
const BILLING_METRICS = new BillingMetrics(new Registry());

/** Longest time until a killed process is started again. */
const RESTART_MS = 8_000;

/** Services that share a process, and that process while it lives. */
interface Machine {
  readonly services: readonly string[];
  process: Process | undefined;
}

const MACHINES: Readonly<Record<Scenario['topology'], readonly (readonly string[])[]>> = {
  'one process': [['auth', 'billing', 'gateway-1']],
  'a process each': [['auth'], ['billing'], ['gateway-1'], ['gateway-2']],
};

/** A copy of the store's file, and what renewals that were answered by then prove of each request. */
interface FileCopy {
  readonly content: ReturnType<MemoryAdmissionStore['copy']>;
  readonly proven: ReadonlyMap<string, number>;
}

/** What was posted, and what the payer's side was told. */
export interface PostingStory {
  readonly plan: PostingPlan;
  outcome: 'unknown' | 'posted' | 'refused';
  /** How often billing was asked for it. */
  asked: number;
}

/** What auth says of an account to one of its keys. */
export interface AccountView {
  readonly accountId: string;
  readonly keyId: string;
  readonly cap: bigint | null;
  readonly seen: InspectReply;
}

/** The simulated platform: real auth, billing and ingress in processes that die, over links that fail. */
export class World {
  readonly time = new VirtualTime();
  readonly startMs = this.time.nowMs();
  readonly trace: Trace;
  readonly database: Database;
  readonly store: MemoryAdmissionStore;
  readonly witness: StoreWitness;
  readonly stories = new Map<string, Story>();
  readonly postings: PostingStory[];
  /** How often the store's file was lost, or replaced by an older copy. */
  filesLost = 0;
  /** Settlements that came too late, and those that the ledger had to decide. */
  lapsed = 0;
  uncertain = 0;
  readonly #chance: Chance;
  readonly #machines: readonly Machine[];
  readonly #connections = new Map<
    string,
    { readonly connection: ClientConnection; readonly process: Process }
  >();
  readonly #watchedStore;
  #auth: AuthHost | undefined;
  #billing: BillingHost | undefined;
  readonly #gateways = new Map<string, GatewayHost>();
  #fileCopy: FileCopy | undefined;
  #lives = 0;

  constructor(
    seed: number,
    readonly scenario: Scenario,
    keepTrace: boolean,
    onGrant: (hold: Held) => void,
  ) {
    // Not the numbers that drew the scenario.
    this.#chance = new Chance(seed ^ 0x5eed);
    this.trace = new Trace(this.time, keepTrace);
    this.database = new Database(scenario.accounts);
    const { leaseMs, tombstoneMs } = scenario;
    const limits = { ...TEST_LIMITS, leaseMs, returnMs: leaseMs / 4 + 5_000, tombstoneMs };
    this.store = new MemoryAdmissionStore(this.time, limits, 'generation-0');
    this.witness = new StoreWitness(this.database, {
      onGrant: (requestId, hold) => {
        this.stories.get(requestId)!.held ??= hold.amount;
        onGrant(hold);
      },
      onFinal: (requestId, cost, reach) => {
        const story = this.stories.get(requestId)!;
        story.reaches.push(reach);
        if (cost > 0n && story.client.status >= 400) story.chargedAfterError = true;
      },
      onRefused: () => (this.lapsed += 1),
      onUncertain: (requestId, lapses) => {
        this.uncertain += 1;
        // It may come to be booked although nobody lives to tell the store.
        if (!lapses) this.stories.get(requestId)!.reaches.push(null);
      },
    });
    this.#watchedStore = this.witness.watch(this.store);
    this.postings = scenario.postings.map((plan) => ({ plan, outcome: 'unknown', asked: 0 }));
    this.#machines = MACHINES[scenario.topology].map((services) => ({ services, process: undefined }));
  }

  /** The credit that accounts begin with, booked before anything runs. */
  async grantOpeningCredit(): Promise<void> {
    const told = { publish: () => Promise.resolve({}), refresh: () => Promise.resolve({}) };
    const opening = new Process('opening', this.time);
    const billing = new BillingHost(
      opening,
      {
        ledger: this.database.ledger,
        publications: this.database.publications,
        usage: this.database.ledger,
        auth: told,
      },
      BILLING_METRICS,
      this.#chance.next,
    );
    for (const { accountId, credit } of this.scenario.accounts)
      if (credit > 0n)
        await billing.post({ eventId: `grant-${accountId}`, accountId, kind: 'grant', amount: credit });
    opening.kill();
  }

  /** Starts every process and puts on the calendar what the scenario says. */
  begin(): void {
    const { scenario } = this;
    for (const machine of this.#machines) this.#boot(machine);
    for (const plan of scenario.requests) this.#at(plan.atMs, () => this.#ask(plan));
    for (const posting of this.postings)
      for (const atMs of posting.plan.atMs) this.#at(atMs, () => void this.#post(posting));
    for (const { service, atMs } of scenario.kills)
      this.#at(atMs, () => {
        const process = this.#machineOf(service)?.process;
        if (process !== undefined) this.#kill(process);
      });
    for (const atMs of scenario.fullDiskAtMs)
      this.#at(atMs, () => this.store.failNext(this.#chance.whole(1, 3)));
    for (const atMs of scenario.copyFileAtMs) this.#at(atMs, () => this.#copyFile());
    if (scenario.priceChangesAtMs !== null)
      this.#at(scenario.priceChangesAtMs, () => this.database.catalogs.activate(SNAPSHOTS[1]));
  }

  /** Time since the start, in milliseconds. */
  get elapsedMs(): number {
    return this.time.nowMs() - this.startMs;
  }

  /** Nothing more will be asked, and nothing fails any more. */
  rest(): void {
    this.store.failNext(0);
    for (const gateway of this.#gateways.values()) gateway.rest();
  }

  /** Looks at accounts through their keys, as an ordinary request does: one that is cold is read. */
  look(): Promise<readonly AccountView[]> {
    return Promise.all(
      this.scenario.accounts.flatMap(({ accountId, keys }) =>
        keys.map(async ({ keyId, cap }) => {
          const seen = await this.#auth!.service.inspect({ accountId, keyId, countedAs: 'nothing' });
          return { accountId, keyId, cap, seen };
        }),
      ),
    );
  }

  #at(atMs: number, what: () => void): void {
    this.time.after(atMs, what);
  }

  #machineOf(service: string): Machine | undefined {
    return this.#machines.find(({ services }) => services.includes(service));
  }

  #boot(machine: Machine): void {
    const process = new Process(`${machine.services.join('+')}#${(this.#lives += 1)}`, this.time);
    machine.process = process;
    this.trace.line('start', process.name);
    for (const service of machine.services) {
      if (service === 'auth') this.#auth = this.#startAuth(process);
      else if (service === 'billing') this.#billing = this.#startBilling(process);
      else this.#gateways.set(service, this.#startGateway(process));
    }
  }

  #kill(process: Process): void {
    const machine = this.#machines.find((each) => each.process === process);
    if (machine === undefined) return;
    this.trace.line('kill', process.name);
    process.kill();
    machine.process = undefined;
    for (const [requestId, open] of this.#connections) {
      if (open.process !== process) continue;
      open.connection.cut();
      this.#connections.delete(requestId);
      const story = this.stories.get(requestId)!;
      if (!story.client.complete) story.gatewayDied = true;
    }
    if (machine.services.includes('auth')) this.#diskAfterDeath();
    const downMs = this.#chance.between(50, RESTART_MS);
    this.time.after(downMs, () => this.#boot(machine));
  }

  #copyFile(): void {
    const content = this.store.copy();
    const proven = new Map([...this.stories].map(([requestId, story]) => [requestId, story.proven]));
    this.#fileCopy = { content, proven };
    this.witness.copied(content);
    this.trace.line('copy of the store file');
  }

  /** What the process of the store finds when it comes back. */
  #diskAfterDeath(): void {
    const { fileFate } = this.scenario;
    const replaced = fileFate !== 'kept' && this.elapsedMs < this.scenario.faultsEndMs;
    const copy = fileFate === 'older' ? this.#fileCopy : undefined;
    if (!replaced || (fileFate === 'older' && copy === undefined)) {
      this.witness.reopened();
      return this.store.restart();
    }
    this.trace.line('the store file is', fileFate);
    this.filesLost += 1;
    if (copy === undefined) this.store.reset(`generation-${this.#lives}`);
    else this.store.restore(copy.content);
    const { finals, progress } = this.witness.fileReplaced(copy?.content);
    for (const requestId of progress) this.stories.get(requestId)!.proven = copy?.proven.get(requestId) ?? 0;
    for (const [requestId, cost] of finals) this.stories.get(requestId)!.lostCosts.push(cost);
  }

  #startAuth(process: Process): AuthHost {
    const store = this.#link('auth-store', process, () => process);
    const postgres = this.#link('auth-postgres', process, () => process);
    const billing = this.#link('auth-billing', process, () => this.#machineOf('billing')?.process);
    return new AuthHost(
      process,
      {
        store: through(store, () => this.#watchedStore),
        register: through(postgres, () => this.database.register),
        accounts: through(postgres, () => this.database.accounts),
        catalogs: through(postgres, () => this.database.catalogs),
        billing: through(billing, () => this.#billing!),
      },
      AUTH_METRICS,
      this.#chance.next,
    );
  }

  #startBilling(process: Process): BillingHost {
    const postgres = this.#link('billing-postgres', process, () => process);
    const auth = this.#link('billing-auth', process, () => this.#machineOf('auth')?.process);
    return new BillingHost(
      process,
      {
        ledger: new RemoteLedger(this.database.ledger, postgres, process),
        publications: through(postgres, () => this.database.publications),
        usage: through(postgres, () => this.database.ledger),
        auth: through<AuthPort>(auth, () => this.#auth!.service),
      },
      BILLING_METRICS,
      this.#chance.next,
    );
  }

  #startGateway(process: Process): GatewayHost {
    const link = this.#link('gateway-auth', process, () => this.#machineOf('auth')?.process);
    const auth = through<AuthPort>(link, () => this.#auth!.service);
    const noted = new Proxy(auth, {
      get: (target, name: keyof AuthPort) => {
        if (name === 'renew')
          return (request: Parameters<AuthPort['renew']>[0]) => this.#renew(target, request);
        if (name === 'settle') return (request: SettleRequest) => this.#settle(target, request);
        return target[name];
      },
    });
    return new GatewayHost(process, noted, (requestId) => this.stories.get(requestId)!, this.#chance.next);
  }

  async #renew(auth: AuthPort, request: Parameters<AuthPort['renew']>[0]): ReturnType<AuthPort['renew']> {
    const story = this.stories.get(request.hold.requestId)!;
    const { delivered } = story.client;
    const { filesLost } = this;
    const sentMs = this.time.nowMs();
    story.renewed.push(delivered);
    const reply = await auth.renew(request);
    if (reply.outcome === 'settled') {
      story.endedByStoreAtMs ??= this.time.nowMs();
      return reply;
    }
    story.leaseFromMs = sentMs;
    // What was renewed in a file that is lost since proves nothing.
    if (this.filesLost === filesLost) story.proven = Math.max(story.proven, delivered);
    return reply;
  }

  async #settle(auth: AuthPort, request: SettleRequest): ReturnType<AuthPort['settle']> {
    const story = this.stories.get(request.hold.requestId)!;
    if (story.settle === 'none') story.settle = 'sent';
    story.settledAs.push(request.outcome);
    const reply = await auth.settle(request);
    story.settle = 'answered';
    return reply;
  }

  #link(name: LinkName, from: Process, to: () => Process | undefined): Link {
    const { time, scenario } = this;
    // In one process a call between services neither gets lost nor is it repeated.
    const local = name.endsWith('-store') || name.endsWith('-postgres');
    const inside = scenario.topology === 'one process' && !local;
    const faults = local ? scenario.local : scenario.network;
    const outages = scenario.outages.filter((outage) => outage.link === name);
    const shown: LinkFaults = inside ? { ...NO_FAULTS, kill: faults.kill } : faults;
    return new Link(
      {
        time,
        chance: this.#chance,
        trace: (...parts) => this.trace.line(...parts),
        kill: (each) => this.#kill(each),
      },
      {
        name,
        from,
        to,
        legMs: local ? 2 : 5,
        timeoutMs,
        faults: () => (this.elapsedMs < scenario.faultsEndMs ? shown : NO_FAULTS),
        isDown: () =>
          (!inside || local) &&
          outages.some(({ fromMs, toMs }) => this.elapsedMs >= fromMs && this.elapsedMs < toMs),
      },
    );
  }

  #ask(plan: RequestPlan): void {
    const process = this.#machineOf(plan.gateway)?.process;
    const gateway = this.#gateways.get(plan.gateway);
    if (process === undefined || gateway === undefined) return;
    const version = this.database.catalogs.activeVersion!;
    const connection = new ClientConnection(this.time, plan.stream);
    this.stories.set(plan.requestId, {
      plan,
      price: PRICES[version - 1]!,
      ceiling: null,
      produced: 0,
      providerEnd: undefined,
      endedByStoreAtMs: null,
      leaseFromMs: this.time.nowMs(),
      settle: 'none',
      settledAs: [],
      renewed: [],
      proven: 0,
      held: null,
      reaches: [],
      gatewayDied: false,
      chargedAfterError: false,
      finalStands: false,
      lostCosts: [],
      client: connection.view,
    });
    this.#connections.set(plan.requestId, { connection, process });
    this.trace.line('ask', plan.requestId);
    gateway.serve(plan, version, connection);
    if (plan.leavesAfterMs !== null)
      this.time.after(plan.leavesAfterMs, () => {
        this.trace.line('leave', plan.requestId);
        connection.destroy();
      });
  }

  /** A payment provider tells of its payments again and again until it is answered. */
  async #post(story: PostingStory): Promise<void> {
    const { plan } = story;
    const payer = new Process('account', this.time);
    const link = this.#link('account-billing', payer, () => this.#machineOf('billing')?.process);
    const { eventId, accountId, kind, amount } = plan;
    for (;;) {
      try {
        await link.call('post', () => {
          story.asked += 1;
          return this.#billing!.post({ eventId, accountId, kind, amount });
        });
        story.outcome = 'posted';
        return;
      } catch (error) {
        if ((error as { code?: string }).code === 'invalid_value') {
          if (story.outcome === 'unknown') story.outcome = 'refused';
          return;
        }
        await payer.sleep(2_000);
      }
    }
  }
}
