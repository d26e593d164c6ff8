import type { Command } from './command.js';

const COMMON: readonly (readonly [string, string])[] = [
  ['--json', 'print one line of JSON'],
  ['--data-dir DIR', 'data folder of the platform (default: TUNAN_DATA_DIR, else .tunan)'],
  ['--help', 'print this'],
];

const columns = (rows: readonly (readonly [string, string])[]): string => {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, help]) => `  ${name.padEnd(width)}  ${help}`).join('\n');
};

/** Help of the whole CLI. */
export const generalHelp = (commands: readonly Command[]): string =>
  `Usage: tunan <command> [options]

Commands:
${columns(commands.map(({ name, help }) => [name, help]))}

Options of every command:
${columns(COMMON)}

tunan <command> --help shows the options of one command. A platform on another machine is found through
TUNAN_OPS_URL and TUNAN_OPERATOR_TOKEN. Exit status: 0 done, 1 failed, 2 not understood.`;

/** Help of one command. */
export const commandHelp = ({ name, help, options }: Command): string => {
  const own = Object.entries(options).map(
    ([option, { value, help: text, required }]) =>
      [
        value === null ? `--${option}` : `--${option} ${value}`,
        required ? `${text} (required)` : text,
      ] as const,
  );
  return `Usage: tunan ${name} [options]\n\n${help[0]!.toUpperCase()}${help.slice(1)}.\n\nOptions:\n${columns([...own, ...COMMON])}`;
};
