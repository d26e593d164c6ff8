import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CommandError } from './errors.js';

/** Where the operator API is and what opens it. */
export interface Platform {
  /** Base URL of the ops listener, without a trailing slash. */
  readonly opsUrl: string;
  readonly operatorToken: string;
}

const RUN_FILE = 'host.json';
const DATA_DIR = '.tunan';
const START = 'Start it with "npm start", or name its data folder with --data-dir.';

/** True if the process exists, also if it is another user's. */
const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/**
 * Finds the platform: `--data-dir` first, then TUNAN_OPS_URL with TUNAN_OPERATOR_TOKEN, then TUNAN_DATA_DIR, then
 * `.tunan` in the current folder. A data folder holds a run file while a host runs.
 * @throws CommandError saying why there is none
 */
export const findPlatform = (
  dataDir: string | undefined,
  variables: Readonly<Record<string, string | undefined>>,
): Platform => {
  const { TUNAN_OPS_URL: opsUrl, TUNAN_OPERATOR_TOKEN: operatorToken, TUNAN_DATA_DIR } = variables;
  if (dataDir === undefined && (opsUrl || operatorToken)) {
    if (!opsUrl || !operatorToken)
      throw new CommandError('TUNAN_OPS_URL and TUNAN_OPERATOR_TOKEN only work together.');
    return { opsUrl: httpUrl(opsUrl, 'TUNAN_OPS_URL'), operatorToken };
  }
  return readRunFile(join(resolve(dataDir ?? (TUNAN_DATA_DIR || DATA_DIR)), RUN_FILE));
};

const readRunFile = (path: string): Platform => {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new CommandError(`The platform is not running: there is no ${path}. ${START}`);
    throw new CommandError(`${path} cannot be read: ${code}.`);
  }
  let run: { pid?: unknown; opsUrl?: unknown; operatorToken?: unknown };
  try {
    run = JSON.parse(text) as typeof run;
  } catch {
    throw new CommandError(`${path} is not a run file.`);
  }
  const { pid, opsUrl, operatorToken } = run ?? {};
  if (typeof pid !== 'number' || typeof opsUrl !== 'string')
    throw new CommandError(`${path} is not a run file.`);
  if (!isRunning(pid))
    throw new CommandError(`The platform is not running: process ${pid} of ${path} has gone. ${START}`);
  if (typeof operatorToken !== 'string' || operatorToken === '')
    throw new CommandError(`${path} holds no operator token. Set TUNAN_OPS_URL and TUNAN_OPERATOR_TOKEN.`);
  return { opsUrl: httpUrl(opsUrl, path), operatorToken };
};

const httpUrl = (text: string, where: string): string => {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new CommandError(`${where} holds no http URL: ${text}.`);
  return text.replace(/\/+$/, '');
};
