import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';

const EMAIL = 'demo@tunan.localhost';
const TIMEOUT_MS = 10_000;

/**
 * The key of the demo account, which has the credit of any new account. It is made the first time, through the
 * operator API like any other, and kept in the data folder: the platform itself can't show a key twice. A kept key that
 * was revoked, or belongs to another database, is replaced.
 */
export const demoKey = async (
  folder: string,
  apiUrl: string,
  opsUrl: string,
  operatorToken: string,
): Promise<string> => {
  const file = join(folder, 'demo-key');
  const known = readKey(file);
  if (known !== undefined && !(await isRefused(apiUrl, known))) return known;
  const operator = new OperatorClient(opsUrl, operatorToken);
  const key = await operator.createAccount(EMAIL);
  writeFileSync(`${file}.new`, key, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return key;
};

const readKey = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
};

const isRefused = async (apiUrl: string, key: string): Promise<boolean> => {
  const answer = await request(`${apiUrl}/models`, {
    headers: { authorization: `Bearer ${key}` },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  await answer.body.dump();
  return answer.statusCode === 401;
};

class OperatorClient {
  constructor(
    private readonly opsUrl: string,
    private readonly token: string,
  ) {}

  /** Makes the account; where a host died before it kept the key, the account gets a new one. */
  async createAccount(email: string): Promise<string> {
    const created = await this.#call('POST', '/operator/v1/accounts', { email, displayName: 'Demo' });
    if (created.status < 300) return created.body['apiKey'] as string;
    const found = await this.#call('GET', `/operator/v1/accounts?email=${encodeURIComponent(email)}`);
    if (found.status !== 200) throw new Error(`demo account: ${JSON.stringify(created.body)}`);
    const key = await this.#call('POST', `/operator/v1/accounts/${String(found.body['accountId'])}/keys`, {
      name: 'demo',
    });
    if (key.status >= 300) throw new Error(`demo key: ${JSON.stringify(key.body)}`);
    return key.body['apiKey'] as string;
  }

  async #call(
    method: 'GET' | 'POST',
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const answer = await request(`${this.opsUrl}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return { status: answer.statusCode, body: (await answer.body.json()) as Record<string, unknown> };
  }
}
