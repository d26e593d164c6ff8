import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cliJson, eventually, freePorts, HostProcess, tempDir } from '@tunan/testing';
import { createTestDatabase } from '@tunan/postgres/testing';

/** A running platform, whatever processes it consists of. */
export interface Platform {
  readonly apiUrl: string;
  /** Where the simulator's log is read. */
  readonly simulatorUrl: string;
  /** What `x-tunan-provider` says of an answer of DeepSeek's. */
  readonly deepseek: string;
  /** The ops address of every process. */
  readonly opsUrls: readonly string[];
  readonly processes: readonly HostProcess[];
  /** Runs a command of the command line and returns its JSON. */
  cli<Answer>(...args: string[]): Promise<Answer>;
  /** Stops everything and returns the exit codes. */
  stop(): Promise<(number | null)[]>;
}

const READY_TIMEOUT_MS = 60_000;

/** Everything in one process. */
export const startAll = async (): Promise<Platform> => {
  const dir = tempDir();
  const host = await HostProcess.start({ dataDir: dir.path });
  return {
    apiUrl: host.facts.apiUrl!,
    simulatorUrl: host.facts.simulatorUrl!,
    deepseek: 'simulator',
    opsUrls: [host.facts.opsUrl],
    processes: [host],
    cli: (...args) => cliJson([...args, '--data-dir', dir.path], {}),
    async stop() {
      const code = await host.stop();
      dir.remove();
      return [code];
    },
  };
};

const SERVICES = ['simulator', 'billing', 'auth', 'account', 'connector', 'router', 'ingress'] as const;
type Service = (typeof SERVICES)[number];

/** Where the simulator plays each provider, by the name of the variables that point a connector elsewhere. */
const PROVIDERS = {
  DEEPSEEK: '/deepseek',
  DASHSCOPE: '/qwen/compatible-mode/v1',
  ZHIPU: '/glm/api/paas/v4',
  MINIMAX: '/minimax/v1',
};

/**
 * Every service in a process of its own, talking HTTP, on one database, as in production: the simulator is a provider
 * that is reached with a key like any other.
 */
export const startSeparate = async (): Promise<Platform> => {
  const dir = tempDir();
  const database = await createTestDatabase();
  const ports = await freePorts(SERVICES.length + 1);
  const portOf = Object.fromEntries(SERVICES.map((name, index) => [name, ports[index]!])) as Record<
    Service,
    number
  >;
  const simulatorPort = ports.at(-1)!;
  const operatorToken = 'an-operator-token-for-this-run';
  const env: Record<string, string> = {
    DATABASE_URL: database.url,
    KEY_PEPPER: `1:${'5a'.repeat(32)}`,
    OPERATOR_TOKEN: operatorToken,
    // One reading of "not ready" is enough for these tests: nothing has to learn of it.
    DRAIN_DELAY_MS: '0',
  };
  for (const [name, path] of Object.entries(PROVIDERS)) {
    env[`${name}_API_KEY`] = 'sk-of-this-run';
    env[`${name}_BASE_URL`] = `http://127.0.0.1:${simulatorPort}${path}`;
  }
  for (const name of SERVICES) {
    env[`${name.toUpperCase()}_URL`] ??= `http://127.0.0.1:${portOf[name]}`;
    env[`INTERNAL_TOKEN_${name.toUpperCase()}`] = `token-of-${name}`;
  }
  const start = (name: Service): Promise<HostProcess> => {
    const dataDir = join(dir.path, name);
    mkdirSync(dataDir);
    const args = [
      '--target',
      name,
      '--internal-port',
      String(portOf[name]),
      '--simulator-port',
      String(simulatorPort),
    ];
    const mode = name === 'simulator' ? 'embedded' : 'production';
    return HostProcess.start({ dataDir, args, env, mode });
  };
  const processes: HostProcess[] = [];
  const stop = async (): Promise<(number | null)[]> => {
    const codes: (number | null)[] = [];
    for (const process of processes.toReversed()) codes.push(await process.stop());
    await database.drop();
    dir.remove();
    return codes;
  };
  try {
    // One after the other: the first that needs the database brings its schema up to date.
    for (const name of SERVICES) processes.push(await start(name));
    await Promise.all(
      processes.map(({ facts: { opsUrl } }) =>
        eventually(`${opsUrl} is ready`, async () => (await fetch(`${opsUrl}/readyz`)).ok, READY_TIMEOUT_MS),
      ),
    );
  } catch (error) {
    await stop();
    throw error;
  }
  const opsUrls = processes.map(({ facts }) => facts.opsUrl);
  const opsUrlOf = (name: Service): string => processes[SERVICES.indexOf(name)]!.facts.opsUrl;
  return {
    apiUrl: processes[SERVICES.indexOf('ingress')]!.facts.apiUrl!,
    simulatorUrl: `http://127.0.0.1:${simulatorPort}`,
    deepseek: 'deepseek',
    opsUrls,
    processes,
    cli: (...args) =>
      cliJson(args, { TUNAN_OPS_URL: opsUrlOf('account'), TUNAN_OPERATOR_TOKEN: operatorToken }),
    stop,
  };
};

/** The topologies that every end-to-end spec runs on. */
export const TOPOLOGIES = [
  ['one process', startAll],
  ['a process per service', startSeparate],
] as const;
