import { execFile } from 'node:child_process';
import { CLI_ENTRY } from './repository.js';

/** What a run of the command line left behind. */
export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const TIMEOUT_MS = 30_000;

/** Runs the command line against the platform of a data folder, or of `env`. */
export const runCli = (args: readonly string[], env: Readonly<Record<string, string>>): Promise<CliResult> =>
  new Promise((resolve) => {
    const options = {
      env: { PATH: process.env['PATH'], ...env },
      timeout: TIMEOUT_MS,
      maxBuffer: 256 * 1024 * 1024,
    };
    execFile(process.execPath, [CLI_ENTRY, ...args], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, stdout, stderr });
    });
  });

/**
 * The JSON answer of a command.
 * @throws Error with what it printed, unless it exits with 0
 */
export const cliJson = async <Answer>(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Answer> => {
  const { code, stdout, stderr } = await runCli([...args, '--json'], env);
  if (code !== 0) throw new Error(`tunan ${args.join(' ')} exited with ${code}: ${stderr || stdout}`);
  return JSON.parse(stdout) as Answer;
};
