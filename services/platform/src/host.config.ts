import { z } from 'zod';
import { configSchema, flag, integer, Secret, secret } from '@tunan/config';
import { PROVIDER_IDS, SERVICE_NAMES, type ProviderId, type ServiceName } from '@tunan/contracts';

const port = () => integer(0, 65_535);
const baseUrl = () => z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/+$/, ''));

/** Port that a service's internal listener has by default, so that separate processes on one machine find each other. */
export const INTERNAL_PORTS: Readonly<Record<ServiceName, number>> = {
  account: 8090,
  auth: 8091,
  billing: 8092,
  connector: 8093,
  ingress: 8094,
  router: 8095,
  simulator: 8096,
};

/** Default of the simulator's own listener. */
export const SIMULATOR_PORT = 8082;

const peerUrls = Object.fromEntries(
  SERVICE_NAMES.map((name) => [`${name.toUpperCase()}_URL`, baseUrl().optional()]),
) as Record<`${Uppercase<ServiceName>}_URL`, z.ZodOptional<ReturnType<typeof baseUrl>>>;

/** A provider's connector may be a deployment of its own. */
const connectorUrls = Object.fromEntries(
  PROVIDER_IDS.map((provider) => [`CONNECTOR_${provider.toUpperCase()}_URL`, baseUrl().optional()]),
) as Record<`CONNECTOR_${Uppercase<ProviderId>}_URL`, z.ZodOptional<ReturnType<typeof baseUrl>>>;

const tokens = Object.fromEntries(
  SERVICE_NAMES.map((name) => [`INTERNAL_TOKEN_${name.toUpperCase()}`, secret().optional()]),
) as Record<`INTERNAL_TOKEN_${Uppercase<ServiceName>}`, z.ZodOptional<ReturnType<typeof secret>>>;

/** Settings of the host itself. */
export const hostConfig = configSchema({
  TUNAN_HOST: z.string().min(1).default('127.0.0.1'),
  TUNAN_PORT: port().default(8080),
  /** Default in mode embedded: the public port + 1, or any free one. */
  TUNAN_OPS_PORT: port().optional(),
  /** Default: one per service. Opened only where a service of this process is called by other processes. */
  TUNAN_INTERNAL_PORT: port().optional(),
  TUNAN_SIMULATOR_PORT: port().optional(),
  /** Longest time for a public request to arrive, body included, in milliseconds: 408. */
  TUNAN_REQUEST_MS_MAX: integer(1_000, 600_000).default(60_000),
  /** Longest time for the header section of any request, in milliseconds: 408. */
  TUNAN_HEADERS_MS_MAX: integer(1_000, 600_000).default(15_000),
  /** A client that takes nothing of a finished answer for this long is disconnected, in milliseconds. */
  TUNAN_WRITE_STALL_MS: integer(1_000, 600_000).default(60_000),
  /** Connections to the public API at once: more are answered 503. Streams need as many to providers, and open files. */
  TUNAN_CONNECTIONS_MAX: integer(1, 1_000_000).default(8_192),
  /** The same of one IPv4 address or IPv6 /64, trusted proxies excepted: 429. */
  TUNAN_CONNECTIONS_PER_ADDRESS_MAX: integer(1, 1_000_000).default(2_048),
  TUNAN_DATA_DIR: z.string().min(1).default('.tunan'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).optional(),
  /** Without it, mode embedded brings its own PostgreSQL. */
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\/[^/]/, 'must be postgres://user:password@host:port/database')
    .transform((url) => new Secret(url))
    .optional(),
  DATABASE_CONNECTIONS_MAX: integer(1, 100).default(10),
  MIGRATE_ON_START: flag().default(true),
  /** After readiness went off: time for endpoints to propagate before the listener closes. */
  DRAIN_DELAY_MS: integer(0, 120_000).optional(),
  /** Longest time that running streams get after that. */
  DRAIN_MS_MAX: integer(0, 3_600_000).optional(),
  /** Connections to each replica of another service. */
  PEER_CONNECTIONS_MAX: integer(1, 10_000).default(256),
  ...peerUrls,
  ...connectorUrls,
  ...tokens,
});
