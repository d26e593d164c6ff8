import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorBody, errorHeaders, uuidv7, type Fault } from '@tunan/kernel';

/** Rest of a refused body that is worth reading to keep its connection: reading costs less than a new connection. */
const DISCARDED_BYTES_MAX = 64 * 1024;
/** Time a client has to read a refusal that it gets in the middle of its upload. */
const LINGER_MS = 1_000;

/**
 * Answers with the OpenAI error object of a fault and an `x-request-id`. Does nothing if an answer has begun. A body
 * that has not arrived is not read: where its rest may be large, or `headers` say `connection: close`, the
 * connection ends instead.
 */
export const sendFault = (
  response: ServerResponse,
  fault: Fault,
  headers: Readonly<Record<string, string>> = {},
): void => {
  if (response.headersSent || response.destroyed) return;
  const body = Buffer.from(JSON.stringify(errorBody(fault)));
  const unread = hasUnreadBody(response.req, headers['connection'] === 'close');
  response.writeHead(fault.spec.status, {
    ...(headers['x-request-id'] === undefined ? { 'x-request-id': uuidv7() } : {}),
    ...headers,
    ...errorHeaders(fault),
    'content-type': 'application/json; charset=utf-8',
    'content-length': body.length,
    ...(unread ? { connection: 'close' } : {}),
  });
  if (unread) closeUnread(response, body);
  else response.end(body);
};

/** Ends a connection after its last answer: at once for a client that reads it, at the latest after a second. */
export const closeSoon = (socket: { destroy(): void }): void => {
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
};

const hasUnreadBody = ({ complete, headers }: IncomingMessage, closing: boolean): boolean => {
  if (complete) return false;
  if (headers['transfer-encoding'] !== undefined) return true;
  const bytes = Number(headers['content-length'] ?? 0);
  // A client that waits for "100 Continue" may never send its body: what comes next can't be told apart from it.
  return bytes > DISCARDED_BYTES_MAX || (bytes > 0 && (closing || headers.expect !== undefined));
};

/**
 * Sends an answer and leaves the rest of the upload unread, in the client's hands: reading gigabytes that nobody wants
 * would slow everybody down. The answer is whole by its length, but not ended, because Node reads a request to its
 * end once its answer has ended. Closing at once would reset the connection, and many clients would lose the answer.
 */
const closeUnread = (response: ServerResponse, body: Buffer): void => {
  const { req } = response;
  req.pause();
  response.write(body, () => closeSoon(req.socket));
};
