import type { ServerResponse } from 'node:http';
import type { Clock } from '@tunan/kernel';
import { limitHeaders } from '../domain/limit-headers.js';
import type { AuthenticatedRequest } from '../public-api.js';
import type { KnownAccount } from './account-reads.js';

/** Answers a read: 200, JSON, with the limiter's state. */
export const sendJson = (
  response: ServerResponse,
  request: AuthenticatedRequest,
  account: KnownAccount,
  clock: Clock,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): void => {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(200, {
    ...request.headers,
    ...headers,
    ...limitHeaders(account.limits, clock.nowMs()),
    'openai-processing-ms': String(Math.round(clock.monotonicMs() - request.startedMs)),
    'content-type': 'application/json; charset=utf-8',
    'content-length': body.length,
  });
  response.end(body);
};
