import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorBody, errorHeaders, uuidv7, type Fault } from '@tunan/kernel';

/** Rest of a refused body that is worth reading to keep its connection: reading costs less than a new connection. */
const DISCARDED_BYTES_MAX = 64 * 1024;
/** Time that a client has to read a refusal that it gets in the middle of its upload. */
const LINGER_MS = 1_000;
/** Most time that a client which is told to come back later, and does not go by itself, is kept from coming back. */
const WAIT_MS_MAX = 5_000;

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
  // As text it goes out in one write with its headers.
  const body = JSON.stringify(errorBody(fault));
  const unread = hasUnreadBody(response.req, headers['connection'] === 'close');
  const all: Record<string, string> = { ...headers };
  Object.assign(all, errorHeaders(fault));
  all['x-request-id'] ??= uuidv7();
  all['content-type'] = 'application/json; charset=utf-8';
  all['content-length'] = String(Buffer.byteLength(body));
  if (unread) all['connection'] = 'close';
  response.writeHead(fault.spec.status, all);
  if (unread) closeUnread(response, body, Math.min(fault.retryAfterMs ?? 0, WAIT_MS_MAX));
  else response.end(body);
};

/**
 * Ends a connection after its last answer: at the latest after a second, or `waitMs` if that is longer. Not all after
 * the same time: what came at once would else be closed, and come back, at once.
 */
export const closeSoon = (socket: { destroy(): void }, waitMs = 0): void => {
  const lingerMs = Math.max(LINGER_MS, waitMs) * (1 - Math.random() / 2);
  setTimeout(() => socket.destroy(), lingerMs).unref();
};

/** Whether more of a request's body may come than is worth reading to keep its connection, which is `closing` or not. */
export const hasUnreadBody = ({ complete, headers }: IncomingMessage, closing: boolean): boolean => {
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
const closeUnread = (response: ServerResponse, body: string, waitMs: number): void => {
  const { req } = response;
  req.pause();
  // The request alone would be read on until its buffer is full.
  req.socket.pause();
  // By way of the request: if the socket went first, Node would make an error of it, which nobody is told.
  response.write(body, () => closeSoon(req, waitMs));
};
