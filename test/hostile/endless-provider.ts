import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const FRAME = `data: ${JSON.stringify({
  id: 'endless',
  choices: [{ index: 0, delta: { role: 'assistant', content: 'and so on '.repeat(50) } }],
  created: 1,
  model: 'MiniMax-M3',
  object: 'chat.completion.chunk',
})}\n\n`;
const PIECE = Buffer.from(FRAME.repeat(128));
const INTERVAL_MS = 200;
/** A piece that was not read for so long will not be: its reader has stopped. */
const STUCK_MS = 5_000;

/** The kernel's table of connections over IPv4. */
const TABLE = '/proc/net/tcp';

interface Stream {
  readonly response: ServerResponse;
  /** Ports of this end and of the other, as the table has them. */
  readonly ends: readonly [string, string];
  unreadSinceMs: number | undefined;
}

/**
 * Stands where MiniMax would. Its answers are streams without end, each of which goes on when all of it was read: so
 * little waits in the kernel on this side, however slow the client is.
 */
export class EndlessProvider {
  readonly #streams = new Set<Stream>();
  readonly #timer = setInterval(() => this.#goOn(), INTERVAL_MS);
  #sends = true;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<EndlessProvider> {
    const server = createServer();
    const provider = new EndlessProvider(server);
    server.on('request', (request, response) => {
      request.resume();
      request.once('end', () => provider.#answer(response));
    });
    await new Promise<void>((resolve) =>
      server.listen({ port: 0, host: '127.0.0.1', backlog: 1_024 }, resolve),
    );
    return provider;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Streams whose caller has not left. */
  get open(): number {
    return this.#streams.size;
  }

  /** Those of them that are not read any further. */
  get stuck(): number {
    const nowMs = performance.now();
    return [...this.#streams].filter(
      ({ unreadSinceMs }) => unreadSinceMs !== undefined && nowMs - unreadSinceMs > STUCK_MS,
    ).length;
  }

  /** Sends nothing more, but ends nothing. */
  fallSilent(): void {
    this.#sends = false;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  #answer(response: ServerResponse): void {
    const { localPort, remotePort } = response.socket!;
    const stream: Stream = { response, ends: [hex(localPort!), hex(remotePort!)], unreadSinceMs: undefined };
    this.#streams.add(stream);
    response.once('close', () => this.#streams.delete(stream));
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(PIECE);
  }

  #goOn(): void {
    const unread = unreadConnections();
    for (const stream of this.#streams) {
      const [local, remote] = stream.ends;
      // Bytes wait here to be sent, or there to be read.
      if (unread.has(`${local} ${remote}`) || unread.has(`${remote} ${local}`))
        stream.unreadSinceMs ??= performance.now();
      else {
        stream.unreadSinceMs = undefined;
        if (this.#sends && !stream.response.writableNeedDrain) stream.response.write(PIECE);
      }
    }
  }
}

const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0');

const ROW = /:([0-9A-F]{4}) [0-9A-F]{8}:([0-9A-F]{4}) [0-9A-F]{2} ([0-9A-F]{8}:[0-9A-F]{8}) /;
const NOTHING = '00000000:00000000';

/** Connections with bytes in a queue of this end, as `local remote`. */
const unreadConnections = (): ReadonlySet<string> => {
  const found = new Set<string>();
  if (!existsSync(TABLE)) return found;
  for (const line of readFileSync(TABLE, 'latin1').split('\n')) {
    const [, local, remote, queues] = ROW.exec(line) ?? [];
    if (queues !== undefined && queues !== NOTHING) found.add(`${local} ${remote}`);
  }
  return found;
};
