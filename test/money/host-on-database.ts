import { randomUUID } from 'node:crypto';
import { cliJson, HostProcess, tempDir } from '@tunan/testing';
import { createTestDatabase, type TestDatabase } from '@tunan/postgres/testing';
import type { Pool } from 'pg';

/** An account of a test, with its key. */
export interface TestAccount {
  readonly accountId: string;
  readonly keyId: string;
  readonly apiKey: string;
}

/** An answer of the public API. */
export interface ApiAnswer<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

/** Everything in one process, on a database that the test can look into and tamper with. */
export class HostOnDatabase {
  private constructor(
    private readonly host: HostProcess,
    private readonly database: TestDatabase,
    private readonly close: () => Promise<void>,
  ) {}

  static async start(env: Readonly<Record<string, string>> = {}): Promise<HostOnDatabase> {
    const dir = tempDir();
    const database = await createTestDatabase();
    const close = async (): Promise<void> => {
      await database.drop();
      dir.remove();
    };
    try {
      const host = await HostProcess.start({
        dataDir: dir.path,
        env: { DATABASE_URL: database.url, ...env },
      });
      return new HostOnDatabase(host, database, close);
    } catch (error) {
      await close();
      throw error;
    }
  }

  /** Stops the host and returns its exit code. */
  async stop(): Promise<number | null> {
    const code = await this.host.stop();
    await this.close();
    return code;
  }

  get pool(): Pool {
    return this.database.pool;
  }

  get opsUrl(): string {
    return this.host.facts.opsUrl;
  }

  /** Runs a command of the command line and returns its JSON. */
  cli<Answer>(...args: string[]): Promise<Answer> {
    return cliJson<Answer>([...args, '--data-dir', this.host.dataDir], {});
  }

  /** A new account; options as `account create` has them. */
  newAccount(...options: string[]): Promise<TestAccount> {
    return this.cli('account', 'create', '--email', `user-${randomUUID()}@example.com`, ...options);
  }

  /** Calls the public API; `path` begins at the root. */
  async call<Body>(
    apiKey: string,
    path: string,
    body?: object,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<ApiAnswer<Body>> {
    const answer = await this.fetch(apiKey, path, body, headers);
    return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Body };
  }

  /** As {@link call}, but the answer is not read yet. */
  fetch(
    apiKey: string,
    path: string,
    body?: object,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    return fetch(new URL(path, this.host.facts.apiUrl!), {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** Writes to the database past its triggers, as only a hand or a defect could. */
  tamper(sql: string, ...values: unknown[]): Promise<void> {
    return this.database.tamper(sql, ...values);
  }
}

/** A chat request that the simulator answers with so many tokens; further behaviour in its own words. */
export const chatBody = (behaviour: string, more: object = {}): object => ({
  model: 'deepseek-chat',
  messages: [{ role: 'user', content: `[[sim ${behaviour}]] Say something.` }],
  ...more,
});
