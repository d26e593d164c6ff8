import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { errorBody, Fault, uuidv7, type FaultCode } from '@tunan/kernel';
import { closeSoon, sendFault } from './error-response.js';

const UNREADABLE: Readonly<Record<string, readonly [FaultCode, string]>> = {
  HPE_HEADER_OVERFLOW: ['headers_too_large', 'The header section of the request is too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request_timeout', 'The request did not arrive in time.'],
};

/** What a client is told of bytes that are no HTTP request, or of one that came too slowly. */
const faultOf = (error: NodeJS.ErrnoException): Fault => {
  const [code, message] = UNREADABLE[error.code ?? ''] ?? ['invalid_value', 'The request is not valid HTTP.'];
  return new Fault(code, message);
};

/**
 * Answers what the HTTP parser gave up on and ends the connection, because nothing on it can be read any more.
 * Whatever comes in, a connection never gets two answers to one request, nor one inside another.
 *
 * @param latest the answer to the connection's last request that could be read, if there was one
 * @param headers further ones of the answer
 */
export const answerUnreadable = (
  error: NodeJS.ErrnoException,
  socket: Duplex,
  latest: ServerResponse | undefined,
  headers: Readonly<Record<string, string>>,
): void => {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  socket.pause();
  const fault = faultOf(error);
  // The body of that request is what can't be read; else the bytes after it are.
  if (latest?.req.complete !== false) return endAfter(latest, socket, fault, headers);
  if (latest.closed) return void socket.destroy();
  if (latest.headersSent) return closeSoon(socket);
  sendFault(latest, fault, { ...headers, connection: 'close' });
};

/** As {@link endWith}, once a connection's last request that could be read has its own answer. */
export const endAfter = (
  latest: ServerResponse | undefined,
  socket: Duplex,
  fault: Fault,
  headers: Readonly<Record<string, string>>,
): void => {
  if (latest === undefined || latest.closed) return endWith(socket, fault, headers);
  latest.once('close', () => {
    if (socket.writable) endWith(socket, fault, headers);
  });
};

/** Writes an error answer where there is no request object to answer, and ends the connection. */
export const endWith = (socket: Duplex, fault: Fault, headers: Readonly<Record<string, string>>): void => {
  const { status } = fault.spec;
  const body = JSON.stringify(errorBody(fault));
  const lines = Object.entries({
    ...headers,
    'x-request-id': uuidv7(),
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`);
  closeSoon(socket);
};
