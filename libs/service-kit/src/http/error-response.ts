import type { ServerResponse } from 'node:http';
import { errorBody, errorHeaders, type Fault } from '@tunan/kernel';

/** Answers with the OpenAI error object of a fault. Does nothing if an answer has begun. */
export const sendFault = (
  response: ServerResponse,
  fault: Fault,
  headers: Readonly<Record<string, string>> = {},
): void => {
  if (response.headersSent || response.destroyed) return;
  const body = Buffer.from(JSON.stringify(errorBody(fault)));
  response.writeHead(fault.spec.status, {
    ...headers,
    ...errorHeaders(fault),
    'content-type': 'application/json; charset=utf-8',
    'content-length': body.length,
  });
  response.end(body);
};
