import { accessSync, constants, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '@tunan/kernel';
import type { Health } from '@tunan/service-kit';
import { UsageError } from './arguments.js';

const POLL_MS = 20;

/** Where a running platform is reached. Members are null where this process does not have them. */
export interface ReadyFacts {
  readonly apiUrl: string | null;
  readonly opsUrl: string;
  readonly apiKey: string | null;
  readonly simulatorUrl: string | null;
}

/** Resolves when the process is ready; false if it starts to stop before that. */
export const untilReady = async (health: Health, clock: Clock): Promise<boolean> => {
  while (!health.ready) {
    if (health.draining) return false;
    await clock.sleep(POLL_MS);
  }
  return true;
};

/**
 * Removes what an earlier run left, so that whoever waits for the file does not read its addresses.
 * @throws UsageError if the file can't be written later
 */
export const prepareReadyFile = (file: string): void => {
  try {
    accessSync(dirname(file), constants.W_OK | constants.X_OK);
    rmSync(file, { force: true });
  } catch (error) {
    throw new UsageError(`--ready-file: ${file} cannot be written: ${(error as NodeJS.ErrnoException).code}`);
  }
};

/** Writes the facts for another program. It appears whole: a reader never sees half of it. */
export const writeReadyFile = (file: string, facts: ReadyFacts): void => {
  writeFileSync(`${file}.new`, `${JSON.stringify(facts)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
};

/** What a person reads once the platform is up. The command line works when it is pasted. */
export const welcome = ({ apiUrl, opsUrl, apiKey }: ReadyFacts): string => `
Tunan is ready.

  API base URL   ${apiUrl}
  Demo API key   ${apiKey}
  Health         ${opsUrl}/readyz

Try it:

  curl ${apiUrl}/chat/completions \\
    -H "Authorization: Bearer ${apiKey}" \\
    -H "Content-Type: application/json" \\
    -d '{"model": "deepseek-chat", "messages": [{"role": "user", "content": "Hello!"}]}'

Ctrl-C stops it.
`;
