import { ConfigError, environment } from '@tunan/config';
import { SERVICE_NAMES } from '@tunan/contracts';
import { SystemClock } from '@tunan/kernel';
import { EmbeddedPostgresError, SchemaError } from '@tunan/postgres';
import { ListenError } from '@tunan/service-kit';
import { HELP, parseArguments, UsageError, type Arguments } from './arguments.js';
import { DataDir, DataDirError } from './data-dir.js';
import { demoKey } from './embedded/demo-account.js';
import { embeddedSecrets } from './embedded/secrets.js';
import { Host } from './host.js';
import { prepareReadyFile, untilReady, welcome, writeReadyFile, type ReadyFacts } from './ready.js';
import { definitionsOf } from './services.js';
import { readSettings } from './settings.js';
import { holdTickShape } from './tick-shape.js';

/** Errors of the person who starts the host: said in one line each, without a stack. */
const isExpected = (error: unknown): error is Error =>
  error instanceof UsageError ||
  error instanceof ConfigError ||
  error instanceof DataDirError ||
  error instanceof ListenError ||
  error instanceof EmbeddedPostgresError ||
  error instanceof SchemaError;

const progress = (step: string): void => void process.stdout.write(`${step} …\n`);

/** The host ends by `process.exit` alone. The interval is the longest that Node has. */
const KEEP_ALIVE_MS = 2 ** 31 - 1;

/** Placeholders for what mode embedded makes itself, so that settings can be checked without a data folder. */
const UNMADE = {
  KEY_PEPPER: `1:${'0'.repeat(64)}`,
  OPERATOR_TOKEN: 'not made yet',
  INTERNAL_TOKEN: 'not made yet',
};

const main = async (argv: readonly string[]): Promise<void> => {
  const args = parseArguments(argv);
  if (args.action === 'help') return void process.stdout.write(`${HELP}\n`);
  const definitions = definitionsOf(args.targets);
  const given = { ...environment(), ...args.variables };
  const embedded = args.mode === 'embedded';
  const checked = readSettings(
    definitions,
    embedded ? { ...UNMADE, ...given } : given,
    args.mode,
    args.allowEmbedded,
  );
  if (args.action === 'validate') return void process.stdout.write('The settings are valid.\n');
  if (args.action === 'print-config') {
    const shown = {
      mode: args.mode,
      targets: args.targets,
      host: checked.host,
      ...Object.fromEntries(checked.services),
    };
    return void process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
  }
  // A clock's timers keep no process alive, and a start that fails may have nothing else left while it cleans up.
  setInterval(() => undefined, KEEP_ALIVE_MS);
  const dataDir = DataDir.open(checked.host.TUNAN_DATA_DIR);
  // After the data folder, in which it may be.
  if (args.readyFile !== undefined) prepareReadyFile(args.readyFile);
  const secrets = embedded ? embeddedSecrets(dataDir.path) : undefined;
  const variables = { ...secrets, ...given };
  const settings = readSettings(definitions, variables, args.mode, args.allowEmbedded);
  const clock = new SystemClock();
  const host = new Host({
    definitions,
    settings,
    mode: args.mode,
    dataDir,
    operatorToken: variables.OPERATOR_TOKEN,
    internalToken: embedded ? variables.INTERNAL_TOKEN : undefined,
    clock,
    progress,
  });
  stopOnSignal(host, clock);
  holdTickShape();
  try {
    await host.start();
    await collectStart();
    if (!host.stopping) await announce(host, args, dataDir.path, variables.OPERATOR_TOKEN, clock);
  } catch (error) {
    await host.stop();
    throw error;
  }
};

/**
 * Gives back what starting took: modules, migrations and the catalog leave some 60 MB of garbage and room for it, which an
 * idle process would keep. Does nothing unless Node runs with `--expose-gc`, as `npm start` runs it.
 */
const collectStart = async (): Promise<void> => {
  await globalThis.gc?.({ type: 'major', execution: 'async', flavor: 'last-resort' });
};

/** Says where the platform is reached: at once for part of it, once it is ready where all of it runs here. */
const announce = async (
  host: Host,
  args: Arguments,
  folder: string,
  operatorToken: string | undefined,
  clock: SystemClock,
): Promise<void> => {
  const whole = args.mode === 'embedded' && SERVICE_NAMES.every((name) => args.targets.includes(name));
  if (whole && !(await untilReady(host.health, clock))) return;
  const facts: ReadyFacts = {
    apiUrl: host.apiUrl ?? null,
    opsUrl: host.urls.ops,
    apiKey: whole ? await demoKey(folder, host.apiUrl!, host.urls.ops, operatorToken!) : null,
    simulatorUrl: host.urls.simulator ?? null,
  };
  if (args.readyFile !== undefined) writeReadyFile(args.readyFile, facts);
  process.stdout.write(
    whole ? welcome(facts) : `Running ${args.targets.join(', ')}; health: ${facts.opsUrl}/readyz\n`,
  );
};

/** Ctrl-C under a script runner arrives twice, from the terminal and forwarded: what comes this soon is the same one. */
const SAME_SIGNAL_MS = 1_000;

/** The process's only signal handlers. A second signal ends the process at once. */
const stopOnSignal = (host: Host, clock: SystemClock): void => {
  let firstMs: number | undefined;
  const stop = (): void => {
    const nowMs = clock.monotonicMs();
    if (firstMs !== undefined) {
      if (nowMs - firstMs > SAME_SIGNAL_MS) process.exit(1);
      return;
    }
    firstMs = nowMs;
    progress('Stopping');
    host.stop().then(
      () => process.exit(0),
      (error: unknown) => fail(error),
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
};

const fail = (error: unknown): never => {
  if (isExpected(error)) process.stderr.write(`tunan: ${error.message.split('\n').join('\ntunan: ')}\n`);
  else
    process.stderr.write(
      `tunan: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
  process.exit(1);
};

main(process.argv.slice(2)).catch(fail);
