import { connect } from 'node:net';

/** One answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number;
  /** Names in lower case; of repeated ones the values joined by commas. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** What a connection gave. */
export interface RawExchange {
  readonly answers: readonly RawAnswer[];
  /** Statuses of the interim answers, such as 100. */
  readonly interim: readonly number[];
  /** Whether the server ended the connection. */
  readonly closed: boolean;
  /** Bytes that are no answer; empty unless something is very wrong. */
  readonly rest: string;
  /** Whether this side ended first. */
  readonly left: boolean;
}

export interface RawOptions {
  /** Final answers to wait for; beyond them the connection is left, unless `untilClosed`. */
  readonly answers?: number;
  /** Waits until the server ends the connection. */
  readonly untilClosed?: boolean;
  readonly timeoutMs?: number;
  /** Ends this side after so long without an answer: input that is no whole request would else be waited for. */
  readonly leaveAfterMs?: number;
  /** Address of this end; another one is another client. */
  readonly localAddress?: string;
}

const TIMEOUT_MS = 30_000;
const LONG_ANSWER_BYTES = 16 * 1024;
const PAUSE_MS = 20;

/**
 * Sends bytes as they are over a connection of its own and reads what comes back.
 * @throws Error if it takes longer than `timeoutMs`: nothing may hang
 */
export const exchange = (
  port: number,
  parts: readonly (string | Buffer)[],
  options: RawOptions = {},
): Promise<RawExchange> =>
  new Promise((resolve, reject) => {
    const { answers = 1, untilClosed = false, timeoutMs = TIMEOUT_MS, localAddress, leaveAfterMs } = options;
    const socket = connect({
      port,
      host: '127.0.0.1',
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    const chunks: Buffer[] = [];
    let bytesReceived = 0;
    let pause: NodeJS.Timeout | undefined;
    const received = (): Buffer => Buffer.concat(chunks);
    let left = false;
    // An answer to HEAD has the headers of a body, and none; unless it was too broken to be known as one.
    const isHead = Buffer.from(parts[0] ?? '').toString('latin1', 0, 5) === 'HEAD ';
    const finish = (closed: boolean): void => {
      clearTimeout(timer);
      clearTimeout(leaving);
      clearTimeout(pause);
      socket.destroy();
      const { answers: found, interim, rest } = readAnswers(received(), isHead, closed);
      resolve({ answers: found, interim, closed, rest, left });
    };
    const finishIfWhole = (): void => {
      if (readAnswers(received(), isHead, false).answers.length >= answers) finish(false);
    };
    const leave = (): void => {
      left = true;
      socket.end();
    };
    const leaving = leaveAfterMs === undefined ? undefined : setTimeout(leave, leaveAfterMs);
    const timer = setTimeout(() => {
      socket.destroy();
      reject(
        new Error(
          `no answer within ${timeoutMs} ms; received: ${received().toString('latin1').slice(0, 500)}`,
        ),
      );
    }, timeoutMs);
    socket.on('data', (bytes: Buffer) => {
      chunks.push(bytes);
      bytesReceived += bytes.length;
      if (untilClosed) return;
      clearTimeout(pause);
      // A long answer is not read again with every piece of it that comes.
      if (bytesReceived < LONG_ANSWER_BYTES) finishIfWhole();
      else pause = setTimeout(finishIfWhole, PAUSE_MS);
    });
    // A server that refuses an upload may reset the connection after its answer.
    socket.on('error', () => undefined);
    socket.on('close', () => finish(true));
    void send(socket, parts);
  });

type Writable = ReturnType<typeof connect>;

const send = async (socket: Writable, parts: readonly (string | Buffer)[]): Promise<void> => {
  for (const part of parts) {
    if (!socket.writable) return;
    if (socket.write(typeof part === 'string' ? Buffer.from(part, 'latin1') : part)) continue;
    await new Promise<void>((resolve) => {
      socket.once('drain', resolve);
      socket.once('close', resolve);
    });
  }
};

/** Final answers in what was received, and the statuses of interim ones. */
const readAnswers = (
  bytes: Buffer,
  isHead: boolean,
  ended: boolean,
): { answers: RawAnswer[]; interim: number[]; rest: string } => {
  const answers: RawAnswer[] = [];
  const interim: number[] = [];
  let text = bytes.toString('latin1');
  for (;;) {
    const headEnd = text.indexOf('\r\n\r\n');
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1];
    if (headEnd === -1 || status === undefined) return { answers, interim, rest: text };
    const headers = readHeaders(text.slice(0, headEnd));
    if (status.startsWith('1')) {
      interim.push(Number(status));
      text = text.slice(headEnd + 4);
      continue;
    }
    const bodiless =
      status === '204' || status === '304' || (isHead && answers.length === 0 && text[headEnd + 4] !== '{');
    const body = bodiless ? NO_BODY : readBody(text.slice(headEnd + 4), headers, ended);
    if (body === undefined) return { answers, interim, rest: text };
    answers.push({
      status: Number(status),
      headers,
      body: Buffer.from(body.text, 'latin1').toString('utf8'),
    });
    text = text.slice(headEnd + 4 + body.length);
  }
};

const readHeaders = (head: string): Map<string, string> => {
  const headers = new Map<string, string>();
  for (const line of head.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers.set(name, headers.has(name) ? `${headers.get(name)}, ${value}` : value);
  }
  return headers;
};

interface RawBody {
  readonly text: string;
  /** Bytes that it takes on the wire. */
  readonly length: number;
}

const NO_BODY: RawBody = { text: '', length: 0 };

const readBody = (
  text: string,
  headers: ReadonlyMap<string, string>,
  ended: boolean,
): RawBody | undefined => {
  if (headers.get('transfer-encoding') === 'chunked') return readChunks(text);
  const declared = headers.get('content-length');
  if (declared === undefined) return ended ? { text, length: text.length } : undefined;
  const length = Number(declared);
  return text.length >= length ? { text: text.slice(0, length), length } : undefined;
};

const readChunks = (text: string): RawBody | undefined => {
  let body = '';
  for (let at = 0; ;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) return undefined;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    const end = lineEnd + 2 + size;
    if (text.length < end + 2) return undefined;
    if (size === 0) return { text: body, length: end + 2 };
    body += text.slice(lineEnd + 2, end);
    at = end + 2;
  }
};
