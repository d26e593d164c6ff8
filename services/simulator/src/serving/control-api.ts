import type { IncomingMessage, ServerResponse } from 'node:http';
import { BehaviourError } from '../domain/behaviour.js';
import type { ScriptBook } from '../domain/script-book.js';
import type { ServedLog } from './served-log.js';

const BODY_BYTES_MAX = 4 * 1_048_576;
const PAGE_ENTRIES = 1_000;
const PAGE_ENTRIES_MAX = 10_000;

/** What the control API shows besides scripts and log. */
export interface ControlViews {
  stats(): unknown;
  open(): unknown;
}

const send = (
  response: ServerResponse,
  status: number,
  body: string,
  contentType = 'application/json',
): void => {
  response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' });
  response.end(body);
};

const sendJson = (response: ServerResponse, status: number, body: unknown): void =>
  send(response, status, JSON.stringify(body));

const readJson = async (request: IncomingMessage): Promise<unknown> => {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > BODY_BYTES_MAX) throw new BehaviourError('body too large');
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'));
  } catch {
    throw new BehaviourError('the body is not JSON');
  }
};

const wholeOr = (text: string | null, fallback: number): number => {
  const value = Number(text ?? fallback);
  if (!Number.isSafeInteger(value) || value < 0) throw new BehaviourError('not a whole number');
  return value;
};

/** The API by which tests lay down scripts and read what was served. The log can only be read. */
export class ControlApi {
  constructor(
    private readonly scripts: ScriptBook,
    private readonly log: ServedLog,
    private readonly views: ControlViews,
  ) {}

  /** Answers a request below `/control`. */
  async handle(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    try {
      await this.#route(request, response, path);
    } catch (error) {
      if (!(error instanceof BehaviourError)) throw error;
      sendJson(response, 400, { error: error.message });
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const call = `${request.method} ${path}`;
    if (call === 'POST /control/scripts') {
      sendJson(response, 201, { id: this.scripts.add(await readJson(request)).id });
    } else if (call === 'GET /control/scripts') {
      sendJson(response, 200, { scripts: this.scripts.all });
    } else if (call === 'DELETE /control/scripts') {
      sendJson(response, 200, { removed: this.scripts.remove() });
    } else if (call.startsWith('DELETE /control/scripts/')) {
      sendJson(response, 200, { removed: this.scripts.remove(path.slice('/control/scripts/'.length)) });
    } else if (call === 'GET /control/log') {
      this.#sendLog(request, response);
    } else if (call === 'GET /control/stats') {
      sendJson(response, 200, this.views.stats());
    } else if (call === 'GET /control/open') {
      sendJson(response, 200, this.views.open());
    } else {
      sendJson(response, 404, { error: `no such call: ${call}` });
    }
  }

  #sendLog(request: IncomingMessage, response: ServerResponse): void {
    const { searchParams: query } = new URL(request.url ?? '', 'http://simulator');
    const page = this.log.read({
      after: wholeOr(query.get('after'), 0),
      nonce: query.get('nonce') ?? undefined,
      requestId: query.get('requestId') ?? undefined,
      limit: Math.min(wholeOr(query.get('limit'), PAGE_ENTRIES), PAGE_ENTRIES_MAX),
    });
    if (request.headers.accept === 'application/x-ndjson')
      return send(response, 200, page.lines.map((line) => `${line}\n`).join(''), 'application/x-ndjson');
    send(response, 200, `{"entries":[${page.lines.join(',')}],"next":${page.next},"oldest":${page.oldest}}`);
  }
}
