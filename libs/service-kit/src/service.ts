import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BlockList } from 'node:net';
import type { ConfigOf, ConfigSchema } from '@tunan/config';
import type { ContractSpec, ExchangeHandler, Port, ServiceName } from '@tunan/contracts';
import type { Clock } from '@tunan/kernel';
import type { Registry } from 'prom-client';
import type { Pool } from 'pg';
import type { Health } from './health.js';
import type { Logger } from './logger.js';

/**
 * How the process runs. `embedded` brings stand-ins for what is not there (simulator, embedded stores); in
 * `production` a stand-in can't be reached and a missing key means that the channel does not exist.
 */
export type Mode = 'embedded' | 'production';

/** A stage of the data plane that another process may serve: the router, or one provider's connector. */
export type StageName = 'router' | `connector/${string}`;

/** What the host gives to a service. A service reads no environment, opens no listener, handles no signal. */
export interface ServiceContext<Schema extends ConfigSchema = ConfigSchema> {
  readonly config: ConfigOf<Schema>;
  readonly mode: Mode;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Registry;
  readonly health: Health;
  /** Folder of this service's own files; exists. Only in `embedded` mode and for journals. */
  readonly dataDir: string;
  /** The calls of another service: in this process or over HTTP, behind the same methods. */
  port<Contract extends ContractSpec>(contract: Contract): Port<Contract>;
  /** Another stage of the data plane, likewise. */
  stage(name: StageName): ExchangeHandler;
  /** Shared connection pool. Only for services that declare `postgres`. */
  postgres(): Pool;
  /** Base URL of the simulator (no trailing slash), or undefined where stand-ins are not allowed. */
  readonly simulatorUrl: string | undefined;
}

/** Paths of one listener that a service answers. */
export interface HttpSurface {
  readonly listener: 'public' | 'ops' | 'simulator';
  /** Path prefixes, each starting with `/`; the longest match wins. */
  readonly prefixes: readonly string[];
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** Peers that many clients come through: the listener's bound per address is not for them. */
  readonly trustedProxies?: BlockList;
}

/** Calls that a running service answers. */
export interface ProvidedContract {
  readonly contract: ContractSpec;
  readonly implementation: object;
}

/** A service that has started. */
export interface ServiceInstance {
  readonly contracts: readonly ProvidedContract[];
  readonly stages: Readonly<Partial<Record<StageName, ExchangeHandler>>>;
  readonly surfaces: readonly HttpSurface[];
  /** Ends what is in flight: resolves when nothing is left, at the latest after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>;
  /** Flushes and releases everything. Called after `drain`, once. */
  stop(): Promise<void>;
}

/** A service, as the host knows it: a name, its settings, what it needs and how to start it. */
export interface ServiceDefinition<Schema extends ConfigSchema = ConfigSchema> {
  readonly name: ServiceName;
  readonly config: Schema;
  /** Contracts that it calls. */
  readonly requires: readonly ContractSpec[];
  /** Stages that it sends exchanges to, from its settings. */
  stages?(config: ConfigOf<Schema>): readonly StageName[];
  /** Whether it uses Postgres. */
  readonly postgres: boolean;
  start(context: ServiceContext<Schema>): Promise<ServiceInstance>;
}
