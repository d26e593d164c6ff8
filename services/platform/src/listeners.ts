import type { ServiceName } from '@tunan/contracts';
import { Listener, ListenError, type ListenerOptions } from '@tunan/service-kit';
import { INTERNAL_PORTS, SIMULATOR_PORT } from './host.config.js';
import type { HostOptions } from './host-options.js';

/** The listeners of a process, open. */
export interface Listeners {
  readonly public: Listener | undefined;
  readonly ops: Listener;
  readonly internal: Listener | undefined;
  readonly simulator: Listener | undefined;
  /** Where the simulator is, in this process or another; undefined outside mode embedded. */
  readonly simulatorUrl: string | undefined;
  readonly urls: {
    readonly public: string | undefined;
    readonly ops: string;
    readonly internal: string | undefined;
    readonly simulator: string | undefined;
  };
}

/** Services that customers reach. */
const PUBLIC_SERVICES: readonly ServiceName[] = ['ingress'];
const INTERNAL_REQUEST_MS = 30_000;
const PORT_MAX = 65_535;

/** Pages of any origin call the public API: a refusal that they may not read looks to them like a broken network. */
const READABLE_BY_PAGES = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'x-request-id, retry-after, retry-after-ms',
} as const;

/** Opens what the targets need. */
export const openListeners = async (options: HostOptions, internal: boolean): Promise<Listeners> => {
  const { settings, mode, definitions } = options;
  const { host } = settings;
  const make = (
    name: string,
    port: number,
    requestTimeoutMs: number,
    open: Pick<ListenerOptions, 'connections' | 'refusalHeaders'> = {},
  ): Listener =>
    new Listener({
      name,
      host: host.TUNAN_HOST,
      port,
      requestTimeoutMs,
      headersTimeoutMs: Math.min(host.TUNAN_HEADERS_MS_MAX, requestTimeoutMs),
      writeStallMs: host.TUNAN_WRITE_STALL_MS,
      ...open,
    });
  const targets: readonly ServiceName[] = definitions.map(({ name }) => name);

  const publicListener = targets.some((name) => PUBLIC_SERVICES.includes(name))
    ? make('public', host.TUNAN_PORT, host.TUNAN_REQUEST_MS_MAX, {
        connections: {
          max: host.TUNAN_CONNECTIONS_MAX,
          perAddressMax: host.TUNAN_CONNECTIONS_PER_ADDRESS_MAX,
        },
        refusalHeaders: READABLE_BY_PAGES,
      })
    : undefined;
  const publicUrl = await publicListener?.listen();
  const publicPort = publicUrl === undefined ? host.TUNAN_PORT : Number(new URL(publicUrl).port);
  // In mode embedded these ports are found through a file, and beside "any free port" there is no default to keep: a
  // taken one is then no reason not to start.
  const flexible = mode === 'embedded' || host.TUNAN_PORT === 0;
  // "Any free port" has no neighbours: without a public listener, port 0 means any free one here too.
  const next = (offset: number): number =>
    publicPort === 0 || publicPort + offset > PORT_MAX ? 0 : publicPort + offset;
  const [ops, opsUrl] = await listenNear(make, 'ops', host.TUNAN_OPS_PORT, next(1), flexible);
  const [simulator, ownSimulatorUrl] = targets.includes('simulator')
    ? await listenNear(make, 'simulator', host.TUNAN_SIMULATOR_PORT, next(2), flexible)
    : [undefined, undefined];
  const internalListener = internal
    ? make('internal', host.TUNAN_INTERNAL_PORT ?? INTERNAL_PORTS[targets[0]!], INTERNAL_REQUEST_MS)
    : undefined;
  const internalUrl = await internalListener?.listen();
  const remoteSimulator = host.SIMULATOR_URL ?? `http://127.0.0.1:${SIMULATOR_PORT}`;
  return {
    public: publicListener,
    ops,
    simulator,
    internal: internalListener,
    simulatorUrl: mode === 'embedded' ? (ownSimulatorUrl ?? remoteSimulator) : undefined,
    urls: { public: publicUrl, ops: opsUrl, internal: internalUrl, simulator: ownSimulatorUrl },
  };
};

type Make = (name: string, port: number, requestTimeoutMs: number) => Listener;

const listenNear = async (
  make: Make,
  name: string,
  configured: number | undefined,
  preferred: number,
  flexible: boolean,
): Promise<[Listener, string]> => {
  const listener = make(name, configured ?? preferred, INTERNAL_REQUEST_MS);
  try {
    return [listener, await listener.listen()];
  } catch (error) {
    if (!(error instanceof ListenError) || configured !== undefined || !flexible) throw error;
    const any = make(name, 0, INTERNAL_REQUEST_MS);
    return [any, await any.listen()];
  }
};
