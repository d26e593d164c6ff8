import { parseArgs } from 'node:util';
import type { Command, Values } from './command.js';
import { COMMANDS } from './commands/index.js';
import { CommandError, UsageError } from './errors.js';
import { findPlatform } from './find-platform.js';
import { commandHelp, generalHelp } from './help.js';
import { OperatorClient } from './operator-client.js';

/** Where a run reads from and writes to. */
export interface Terminal {
  readonly variables: Readonly<Record<string, string | undefined>>;
  out(line: string): void;
  error(line: string): void;
}

const EXIT_DONE = 0;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

const HINT = 'tunan --help lists the commands.';

interface Parsed {
  readonly values: Values;
  readonly json: boolean;
  readonly dataDir: string | undefined;
}

const parse = (command: Command, args: readonly string[]): Parsed => {
  const own = Object.fromEntries(
    Object.entries(command.options).map(([name, { value }]) => [
      name,
      { type: value === null ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { ...own, json: { type: 'boolean' }, 'data-dir': { type: 'string' } },
      allowPositionals: false,
    });
    const { json, 'data-dir': dataDir, ...rest } = values;
    const parsed: Parsed = {
      values: Object.fromEntries(
        Object.entries(rest).map(([name, value]) => [name, value === true ? 'yes' : (value as string)]),
      ),
      json: json === true,
      dataDir: dataDir as string | undefined,
    };
    for (const [name, option] of Object.entries(command.options))
      if (option.required === true && parsed.values[name] === undefined)
        throw new UsageError(`--${name} is required.`);
    return parsed;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError((error as Error).message.split('\n', 1)[0]!);
  }
};

/** The command of a line, wherever its two words stand, and what is left of the line. */
const findCommand = (args: readonly string[]): { command: Command; rest: readonly string[] } | undefined => {
  for (let index = 0; index + 1 < args.length; index += 1) {
    const command = COMMANDS.find(({ name }) => name === `${args[index]} ${args[index + 1]}`);
    if (command !== undefined) return { command, rest: args.toSpliced(index, 2) };
  }
  return undefined;
};

const dispatch = async (args: readonly string[], terminal: Terminal): Promise<void> => {
  const found = findCommand(args);
  const wantsHelp = args.includes('--help') || args.includes('-h') || args[0] === 'help';
  if (wantsHelp)
    return terminal.out(found === undefined ? generalHelp(COMMANDS) : commandHelp(found.command));
  if (found === undefined) {
    const words = args.filter((arg) => !arg.startsWith('-')).slice(0, 2);
    throw new UsageError(words.length === 0 ? 'No command.' : `Unknown command: ${words.join(' ')}.`);
  }
  const { command, rest } = found;
  const { values, json, dataDir } = parse(command, rest);
  const client = new OperatorClient(findPlatform(dataDir, terminal.variables));
  const output = await command.run(client, values);
  terminal.out(json ? JSON.stringify(output.json) : output.text);
  if (output.warning !== undefined) terminal.error(`tunan: ${output.warning}`);
};

/**
 * Runs one command line and returns the exit status. Every failure is one line on standard error.
 * @param args what follows the program's name
 */
export const run = async (args: readonly string[], terminal: Terminal): Promise<number> => {
  try {
    await dispatch(args, terminal);
    return EXIT_DONE;
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.error(`tunan: ${error.message} ${HINT}`);
      return EXIT_USAGE;
    }
    const message = error instanceof CommandError ? error.message : `unexpected: ${(error as Error).message}`;
    terminal.error(`tunan: ${message}`);
    return EXIT_FAILED;
  }
};
