import { expect } from '@jest/globals';
import type { RawAnswer } from './raw-http.js';

/** The error object that every refusal has. */
export interface OpenAiError {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | number | null;
}

/** Error types and the statuses they go with: the closed table of the wire contract. */
const TYPES: Readonly<Record<string, readonly number[]>> = {
  invalid_request_error: [400, 401, 404, 405, 408, 409, 413, 414, 415, 417, 422, 426, 431],
  insufficient_quota: [402],
  permission_error: [403],
  rate_limit_error: [429],
  server_error: [500],
  api_error: [502, 503, 504],
};

/** Asserts that an answer is a valid OpenAI error and returns the object. */
export const expectOpenAiError = ({ status, headers, body }: RawAnswer): OpenAiError => {
  expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
  const { error, ...rest } = JSON.parse(body) as { error: OpenAiError };
  expect(rest).toEqual({});
  expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type']);
  expect(typeof error.message).toBe('string');
  expect(error.message).not.toBe('');
  expect(TYPES[error.type]).toContain(status);
  expect(error.param === null || typeof error.param === 'string').toBe(true);
  return error;
};
