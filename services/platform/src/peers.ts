import { request } from 'undici';
import type { ServiceName } from '@tunan/contracts';
import type { CancelTimer, Clock } from '@tunan/kernel';
import { PeerSet, type Dependency, type Health, type StageName } from '@tunan/service-kit';
import { INTERNAL_PORTS } from './host.config.js';
import type { Settings } from './settings.js';

/** Path that answers on every internal listener, without a token. */
export const PING_PATH = '/ping';

const PROBE_LACKING_MS = 500;
const PROBE_MS = 10_000;
const PROBE_TIMEOUT_MS = 1_000;

/** The other processes that this one talks to, by service. */
export class Peers {
  readonly #sets = new Map<string, PeerSet>();
  /** Who depends on the peers at a base URL: several services may share a process. */
  readonly #dependencies = new Map<string, Map<string, Dependency>>();
  readonly #timers = new Map<string, CancelTimer>();
  #stopped = false;

  constructor(
    private readonly settings: Settings['host'],
    private readonly health: Health,
    private readonly clock: Clock,
  ) {}

  /** The replicas that answer a service's calls or serve a stage. From now on readiness waits for them once. */
  of(name: ServiceName | StageName): PeerSet {
    const baseUrl = this.#baseUrl(name);
    const dependencies = this.#dependencies.get(baseUrl) ?? new Map<string, Dependency>();
    if (!dependencies.has(name)) dependencies.set(name, this.health.dependency(name));
    const known = this.#sets.get(baseUrl);
    if (known !== undefined) return known;
    const peers = new PeerSet(baseUrl, this.settings.PEER_CONNECTIONS_MAX);
    this.#sets.set(baseUrl, peers);
    this.#dependencies.set(baseUrl, dependencies);
    void this.#probe(baseUrl, dependencies);
    return peers;
  }

  async close(): Promise<void> {
    this.#stopped = true;
    for (const cancel of this.#timers.values()) cancel();
    await Promise.all([...this.#sets.values()].map((peers) => peers.close()));
  }

  /** A provider's connector may be a deployment of its own; what is not set falls back to the common one. */
  #baseUrl(name: string): string {
    const service = name.split('/', 1)[0] as ServiceName;
    const variables = this.settings as unknown as Record<string, string | undefined>;
    const own = variables[`${name.replace('/', '_').toUpperCase()}_URL`];
    return own ?? variables[`${service.toUpperCase()}_URL`] ?? `http://127.0.0.1:${INTERNAL_PORTS[service]}`;
  }

  async #probe(baseUrl: string, dependencies: ReadonlyMap<string, Dependency>): Promise<void> {
    let up = false;
    let detail: string;
    try {
      const answer = await request(`${baseUrl}${PING_PATH}`, {
        signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
      });
      await answer.body.dump();
      up = answer.statusCode === 204;
      detail = up ? baseUrl : `${baseUrl} answered ${answer.statusCode}`;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      detail = `${baseUrl} is not reachable (${code ?? message})`;
    }
    for (const dependency of dependencies.values())
      if (up) dependency.up(detail);
      else dependency.down(detail);
    if (this.#stopped) return;
    this.#timers.set(
      baseUrl,
      this.clock.after(up ? PROBE_MS : PROBE_LACKING_MS, () => void this.#probe(baseUrl, dependencies)),
    );
  }
}
