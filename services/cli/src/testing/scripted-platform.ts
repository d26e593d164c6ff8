import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../run.js';

/** A call that the platform got. */
export interface Call {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

export type Answer = readonly [status: number, body: unknown];

/** An operator API that answers by script, in a data folder whose run file names it. */
export class ScriptedPlatform {
  readonly calls: Call[] = [];
  /** Answers by `METHOD url`, or in turn where it is a list. */
  readonly script: Record<string, Answer | Answer[]> = {};
  readonly folder = mkdtempSync(join(tmpdir(), 'tunan-cli-'));
  readonly #server: Server;
  opsUrl = '';

  private constructor() {
    this.#server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk) => (text += String(chunk)));
      request.on('end', () => {
        const { method = '', url = '' } = request;
        const { authorization } = request.headers;
        this.calls.push({ method, url, authorization, body: text === '' ? undefined : JSON.parse(text) });
        const scripted = this.script[`${method} ${url}`];
        const [status, body] = ((Array.isArray(scripted?.[0])
          ? (scripted as Answer[]).shift()
          : scripted) ?? [404, { error: { message: `Invalid URL (${method} ${url})` } }]) as Answer;
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(typeof body === 'string' ? body : JSON.stringify(body));
      });
    });
  }

  static async start(): Promise<ScriptedPlatform> {
    const platform = new ScriptedPlatform();
    await new Promise<void>((resolve) => platform.#server.listen(0, '127.0.0.1', resolve));
    platform.opsUrl = `http://127.0.0.1:${(platform.#server.address() as AddressInfo).port}`;
    const { opsUrl } = platform;
    platform.runFile({ pid: process.pid, opsUrl, operatorToken: 'op-1', apiUrl: 'http://127.0.0.1:1/v1' });
    return platform;
  }

  /** Writes the run file of the data folder. */
  runFile(content: unknown): void {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    writeFileSync(join(this.folder, 'host.json'), text, { mode: 0o600 });
  }

  /** Runs a command line whose words have no blanks. */
  async tunan(line: string, variables: Record<string, string> = { TUNAN_DATA_DIR: this.folder }) {
    const out: string[] = [];
    const error: string[] = [];
    const args = line.split(' ').filter((word) => word !== '');
    const status = await run(args, {
      variables,
      out: (text) => void out.push(text),
      error: (text) => void error.push(text),
    });
    return { status, out: out.join('\n'), error };
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.folder, { recursive: true });
  }
}
