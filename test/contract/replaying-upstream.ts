import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readByPeer } from './read-by-peer.js';

/** Asks for a replay that is cut before this byte. Stands in the user's message, whose length does not depend on it. */
export const cutBefore = (offset: number): string => `cut=${String(offset).padStart(6, '0')}`;
/** Asks for a stream that was given, by its place, instead of the recorded answer. Stands there as well. */
export const play = (index: number): string => `play=${index}`;

const CUT = /cut=(\d+)/;
const PLAY = /play=(\d+)/;

interface Recording {
  readonly status: number;
  readonly contentType: string;
  readonly bytes: Buffer;
}

/**
 * An upstream that answers each path as the simulator did the first time, or with a given stream, byte for byte, in two
 * parts. Only where it is cut differs, and the second part is not sent before the first has been read.
 */
export class ReplayingUpstream {
  readonly #recordings = new Map<string, Recording>();
  readonly #server: Server;

  private constructor(
    private readonly simulatorUrl: () => string,
    private readonly streams: readonly Buffer[],
  ) {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** @param streams what can be asked for by its place */
  static async start(simulatorUrl: () => string, streams: readonly Buffer[]): Promise<ReplayingUpstream> {
    const upstream = new ReplayingUpstream(simulatorUrl, streams);
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
    const given = this.streams[Number(PLAY.exec(body)?.[1] ?? -1)];
    const recording =
      given === undefined
        ? (this.#recordings.get(path) ?? (await this.#record(request, body)))
        : { status: 200, contentType: 'text/event-stream', bytes: given };
    response.writeHead(recording.status, { 'content-type': recording.contentType });
    const cut = Number(CUT.exec(body)?.[1] ?? 0);
    if (cut === 0 || cut >= recording.bytes.length) return void response.end(recording.bytes);
    await new Promise<void>((resolve) => response.write(recording.bytes.subarray(0, cut), () => resolve()));
    await readByPeer(request.socket);
    response.end(recording.bytes.subarray(cut));
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
