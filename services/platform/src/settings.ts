import { ConfigError, readConfig, type ConfigOf, type ConfigSchema } from '@tunan/config';
import type { ServiceName } from '@tunan/contracts';
import type { Mode, ServiceDefinition } from '@tunan/service-kit';
import { hostConfig } from './host.config.js';

type Variables = Readonly<Record<string, string | undefined>>;

/** All settings of a process. */
export interface Settings {
  readonly host: ConfigOf<typeof hostConfig>;
  readonly services: ReadonlyMap<ServiceName, ConfigOf<ConfigSchema>>;
}

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/;
/** Real money has no business with stand-ins. */
const PAYMENT_KEY = /^(STRIPE|PAYPAL)_/;

/**
 * Reads the settings of the host and of the targets, and of nothing else.
 * @throws ConfigError with every problem of every part
 */
export const readSettings = (
  definitions: readonly ServiceDefinition[],
  variables: Variables,
  mode: Mode,
  allowEmbedded: boolean,
): Settings => {
  const problems: string[] = [];
  const attempt = <Schema extends ConfigSchema>(schema: Schema): ConfigOf<Schema> | undefined => {
    try {
      return readConfig(schema, variables);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.problems);
      return undefined;
    }
  };
  const host = attempt(hostConfig);
  const services = new Map<ServiceName, ConfigOf<ConfigSchema>>();
  for (const definition of definitions) {
    const config = attempt(definition.config);
    if (config !== undefined) services.set(definition.name, config);
  }
  if (host !== undefined) problems.push(...crossProblems(host, definitions, variables, mode, allowEmbedded));
  if (host === undefined || problems.length > 0) throw new ConfigError([...new Set(problems)]);
  return { host, services };
};

const crossProblems = (
  host: Settings['host'],
  definitions: readonly ServiceDefinition[],
  variables: Variables,
  mode: Mode,
  allowEmbedded: boolean,
): string[] => {
  const problems: string[] = [];
  if (mode === 'embedded' && !allowEmbedded) {
    if (!LOOPBACK.test(host.TUNAN_HOST))
      problems.push(
        `TUNAN_HOST: mode embedded binds loopback addresses only, not ${host.TUNAN_HOST} (--allow-embedded overrides)`,
      );
    const payment = Object.keys(variables).find((name) => PAYMENT_KEY.test(name) && variables[name] !== '');
    if (payment !== undefined)
      problems.push(`${payment}: mode embedded takes no payment keys (--allow-embedded overrides)`);
  }
  if (
    mode === 'production' &&
    host.DATABASE_URL === undefined &&
    definitions.some((definition) => definition.postgres)
  )
    problems.push('DATABASE_URL: required in mode production');
  return problems;
};
