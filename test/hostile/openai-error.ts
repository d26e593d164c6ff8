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

/**
 * The error object of an answer.
 * @throws Error naming what is wrong with it, unless it is a valid OpenAI error that goes with its status
 */
export const readOpenAiError = ({ status, headers, body }: RawAnswer): OpenAiError => {
  if (headers.get('content-type') !== 'application/json; charset=utf-8')
    throw new Error('an error that is not JSON');
  const whole = JSON.parse(body) as { error: OpenAiError };
  const { message, type, param, code } = whole.error;
  if (
    Object.keys(whole).join() !== 'error' ||
    Object.keys(whole.error).sort().join() !== 'code,message,param,type'
  )
    throw new Error(`an error with other members: ${body}`);
  if (typeof message !== 'string' || message === '') throw new Error('an error without a message');
  if (TYPES[type]?.includes(status) !== true)
    throw new Error(`an error of type ${type} with status ${status}`);
  if (param !== null && typeof param !== 'string') throw new Error(`param ${String(param)}`);
  if (typeof code !== 'string' && code !== 402) throw new Error(`code ${String(code)}`);
  return whole.error;
};
