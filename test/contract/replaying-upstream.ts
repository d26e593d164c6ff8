import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Asks for a replay that is cut before this byte. Stands in the user's message. */
export const cutBefore = (offset: number): string => `cut=${offset}`;

const CUT = /cut=(\d+)/;
/** Pause of the upstream between the two parts, so that they do not arrive as one. */
const PAUSE_MS = 2;

interface Recording {
  readonly status: number;
  readonly contentType: string;
  readonly bytes: Buffer;
}

/**
 * An upstream that answers each path as the simulator did the first time, byte for byte, in two parts. What is played
 * is a real answer of each dialect, and only where it is cut differs.
 */
export class ReplayingUpstream {
  readonly #recordings = new Map<string, Recording>();
  readonly #server: Server;

  private constructor(private readonly simulatorUrl: () => string) {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(simulatorUrl: () => string): Promise<ReplayingUpstream> {
    const upstream = new ReplayingUpstream(simulatorUrl);
    await new Promise<void>((resolve) => upstream.#server.listen(0, '127.0.0.1', resolve));
    return upstream;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Bytes of the recorded answer below a path. */
  lengthOf(prefix: string): number {
    for (const [path, { bytes }] of this.#recordings) if (path.startsWith(prefix)) return bytes.length;
    throw new Error(`nothing was recorded below ${prefix}`);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts).toString();
    const path = request.url!;
    const recording = this.#recordings.get(path) ?? (await this.#record(request, body));
    response.writeHead(recording.status, { 'content-type': recording.contentType });
    const cut = Number(CUT.exec(body)?.[1] ?? 0);
    if (cut === 0 || cut >= recording.bytes.length) return void response.end(recording.bytes);
    response.write(recording.bytes.subarray(0, cut), () =>
      setTimeout(() => response.end(recording.bytes.subarray(cut)), PAUSE_MS),
    );
  }

  async #record(request: IncomingMessage, body: string): Promise<Recording> {
    const answer = await fetch(`${this.simulatorUrl()}${request.url}`, {
      method: 'POST',
      headers: {
        authorization: request.headers.authorization ?? '',
        'content-type': 'application/json',
      },
      body,
    });
    const recording = {
      status: answer.status,
      contentType: answer.headers.get('content-type') ?? '',
      bytes: Buffer.from(await answer.arrayBuffer()),
    };
    this.#recordings.set(request.url!, recording);
    return recording;
  }
}
