import { jsonReply, Refusal, type ErrorContext, type Reply } from '../dialect.js';

interface Failure {
  readonly status: number;
  readonly type: string;
  readonly message: string;
}

const INVALID = 'invalid_request_error';

// DeepSeek has no codes of its own: the status is the code, and `error.code` says nothing.
const FAILURES: Readonly<Record<string, Failure>> = {
  400: { status: 400, type: INVALID, message: 'Invalid request format' },
  content_risk: { status: 400, type: INVALID, message: 'Content Exists Risk' },
  context_length: {
    status: 400,
    type: INVALID,
    message:
      "This model's maximum context length is 1048576 tokens. Please reduce the length of the messages.",
  },
  model_not_exist: { status: 400, type: INVALID, message: 'Model Not Exist' },
  401: {
    status: 401,
    type: 'authentication_error',
    message: 'Authentication Fails, Your api key: ****bad is invalid',
  },
  402: { status: 402, type: 'unknown_error', message: 'Insufficient Balance' },
  404: { status: 404, type: INVALID, message: 'Not Found' },
  413: { status: 413, type: INVALID, message: 'Request body too large' },
  422: { status: 422, type: INVALID, message: 'Failed to deserialize the JSON body into the target type' },
  429: {
    status: 429,
    type: 'rate_limit_error',
    message: 'Concurrency limit reached for this account and model',
  },
  500: { status: 500, type: 'server_error', message: 'Internal Server Error' },
  503: {
    status: 503,
    type: 'service_unavailable_error',
    message: 'Service is too busy, please try again later',
  },
};

const envelope = (status: number, type: string, message: string, code: string): Reply =>
  jsonReply(status, { error: { message, type, param: null, code: INVALID } }, code);

/** The answer for a status, or for a name of the table such as `content_risk`. */
export const deepseekError = (code: string, context: ErrorContext): Reply => {
  const failure = FAILURES[code] ?? FAILURES[400]!;
  return envelope(context.status ?? failure.status, failure.type, failure.message, code);
};

/** The answer for any status. */
export const deepseekErrorOfStatus = (status: number): Reply => {
  const failure = FAILURES[status] ?? {
    type: status < 500 ? INVALID : 'server_error',
    message: `Error ${status}`,
  };
  return envelope(status, failure.type, failure.message, String(status));
};

/** Without a header the refusal comes from the gateway in front, as plain text. */
export const deepseekKeyRefusal = (key: string | undefined): Reply | undefined => {
  if (key === undefined)
    return { status: 401, contentType: 'text/plain', body: 'Authentication Fails (governor)', code: '401' };
  if (key !== 'bad') return undefined;
  return envelope(
    401,
    'authentication_error',
    `Authentication Fails, Your api key: ****${key.slice(-4)} is invalid`,
    '401',
  );
};

/** Refuses a request with 400 and a message. */
export const deepseekRefusal = (message: string, status = 400): Refusal =>
  new Refusal(envelope(status, INVALID, message, String(status)));
