import { parseArgs } from 'node:util';
import { SERVICE_NAMES, type ServiceName } from '@tunan/contracts';
import type { Mode } from '@tunan/service-kit';

/** A command line that can't be understood: one line for the person who typed it. */
export class UsageError extends Error {}

/** What the command line says. What it leaves out comes from the environment. */
export interface Arguments {
  readonly mode: Mode;
  readonly targets: readonly ServiceName[];
  readonly action: 'run' | 'validate' | 'print-config' | 'help';
  readonly readyFile: string | undefined;
  readonly allowEmbedded: boolean;
  /** Settings given as options, under their environment names. */
  readonly variables: Readonly<Record<string, string>>;
}

export const HELP = `Usage: npm start -- [options]

  --target LIST          services to run: all, or a comma-separated list of
                         ${SERVICE_NAMES.join(', ')}
                         (default: all)
  --port N               port of the public API (default 8080, 0 = any free port)
  --host ADDRESS         address that all listeners bind (default 127.0.0.1)
  --ops-port N           port of health, metrics and the operator API
  --internal-port N      port for calls of other processes
  --simulator-port N     port of the provider simulator
  --data-dir DIR         where data is kept (default .tunan)
  --ready-file FILE      write URLs and the demo key there, as JSON, once everything is up
  --mode MODE            embedded (stand-ins for what is not configured) or production
  --allow-embedded       allow mode embedded beyond loopback
  --validate             check the settings, then exit
  --print-config         print the settings without secrets, then exit
  --help                 this text

Every setting can be given as an environment variable; services/platform/README.md lists them.`;

/** Options that are nothing but a setting. */
const SETTINGS: Readonly<Record<string, string>> = {
  port: 'TUNAN_PORT',
  host: 'TUNAN_HOST',
  'ops-port': 'TUNAN_OPS_PORT',
  'internal-port': 'TUNAN_INTERNAL_PORT',
  'simulator-port': 'TUNAN_SIMULATOR_PORT',
  'data-dir': 'TUNAN_DATA_DIR',
};

/**
 * Reads the command line.
 * @throws UsageError
 */
export const parseArguments = (argv: readonly string[]): Arguments => {
  const values = parse(argv);
  const variables: Record<string, string> = {};
  for (const [option, variable] of Object.entries(SETTINGS)) {
    const value = values[option];
    if (typeof value === 'string') variables[variable] = value;
  }
  const mode = values['mode'] ?? 'production';
  if (mode !== 'embedded' && mode !== 'production')
    throw new UsageError(`--mode must be embedded or production, not ${String(mode)}`);
  return {
    mode,
    targets: parseTargets((values['target'] as string | undefined) ?? 'all', mode),
    action: values['help']
      ? 'help'
      : values['validate']
        ? 'validate'
        : values['print-config']
          ? 'print-config'
          : 'run',
    readyFile: values['ready-file'] as string | undefined,
    allowEmbedded: values['allow-embedded'] === true,
    variables,
  };
};

const parse = (argv: readonly string[]): Record<string, string | boolean | undefined> => {
  const text = ['target', 'mode', 'ready-file', ...Object.keys(SETTINGS)];
  const flags = ['allow-embedded', 'validate', 'print-config', 'help'];
  try {
    const { values } = parseArgs({
      args: [...argv],
      strict: true,
      options: Object.fromEntries([
        ...text.map((name) => [name, { type: 'string' as const }]),
        ...flags.map((name) => [name, { type: 'boolean' as const }]),
      ]),
    });
    // No option is declared as repeatable, so no value is a list.
    return values as Record<string, string | boolean | undefined>;
  } catch (error) {
    throw new UsageError((error as Error).message.split('\n', 1)[0]);
  }
};

/** `all` is only a list: what it means depends on nothing but the mode. */
const parseTargets = (text: string, mode: Mode): readonly ServiceName[] => {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('all'))
    return SERVICE_NAMES.filter((name) => mode === 'embedded' || name !== 'simulator');
  const unknown = names.find((name) => !(SERVICE_NAMES as readonly string[]).includes(name));
  if (unknown !== undefined)
    throw new UsageError(
      `--target: no service named '${unknown}'; there are all, ${SERVICE_NAMES.join(', ')}`,
    );
  if (mode !== 'embedded' && names.includes('simulator'))
    throw new UsageError('--target: the simulator runs in mode embedded only');
  return SERVICE_NAMES.filter((name) => names.includes(name));
};
