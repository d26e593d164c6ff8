import { jsonReply, Refusal, type ErrorContext, type Reply } from '../dialect.js';

interface Failure {
  /** Status 200 is the envelope with `base_resp`. */
  readonly status: number;
  readonly message: string;
  /** The code that is sent, where several failures share one. */
  readonly code?: string;
}

const FAILURES: Readonly<Record<string, Failure>> = {
  '1000': { status: 200, message: 'unknown error, please retry' },
  '1001': { status: 200, message: 'request timeout' },
  '1002': { status: 200, message: 'rate limit exceeded(RPM)' },
  '1004': {
    status: 401,
    message: "login fail: Please carry the API secret key in the 'Authorization' field of the request header",
  },
  '1008': { status: 200, message: 'insufficient balance' },
  '1013': { status: 200, message: 'internal service error' },
  '1024': { status: 200, message: 'internal error' },
  '1026': { status: 200, message: 'input new_sensitive' },
  '1027': { status: 200, message: 'output new_sensitive' },
  '1033': { status: 200, message: 'system error' },
  '1039': { status: 200, message: 'rate limit exceeded(TPM)' },
  '1041': { status: 200, message: 'connection limit exceeded' },
  '1042': { status: 200, message: 'too many invisible characters' },
  '2013': { status: 400, message: 'invalid params' },
  context_window: { status: 400, message: 'invalid params, context window exceeds limit', code: '2013' },
  unknown_model: { status: 400, message: "invalid params, unknown model 'MiniMax-M1'", code: '2013' },
  '2045': { status: 200, message: 'request rate grows too fast' },
  '2049': { status: 401, message: 'invalid api key' },
  '2056': { status: 429, message: 'usage limit exceeded, resets in 5 hours' },
  '2061': { status: 200, message: 'your current token plan does not support this model' },
  '2062': { status: 429, message: 'token plan rate limit exceeded' },
};

const CODE_OF_STATUS: Readonly<Record<number, string>> = {
  400: '2013',
  401: '1004',
  402: '1008',
  413: '2013',
  429: '1002',
};

/** Members that every answer has and that say nothing. */
export const SENSITIVE = {
  input_sensitive: false,
  output_sensitive: false,
  input_sensitive_type: 0,
  output_sensitive_type: 0,
  output_sensitive_int: 0,
} as const;

const typeOf = (status: number, code: string): string => {
  if (code === '1008') return 'insufficient_balance_error';
  if (status === 401) return 'authorized_error';
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'bad_request_error' : 'api_error';
};

/** An error under its own status: the code is only in the text. */
const outright = (status: number, code: string, message: string, requestId: string): Reply =>
  jsonReply(
    status,
    {
      type: 'error',
      error: { type: typeOf(status, code), message: `${message} (${code})`, http_code: String(status) },
      request_id: requestId,
    },
    code,
  );

/** An error under status 200. */
const inBaseResp = (code: string, message: string, context: ErrorContext): Reply =>
  jsonReply(
    200,
    {
      id: context.requestId.replaceAll('-', ''),
      choices: null,
      created: context.createdS,
      model: '',
      object: 'chat.completion',
      usage: { total_tokens: 0, total_characters: 0, prompt_tokens: 0, completion_tokens: 0 },
      ...SENSITIVE,
      base_resp: { status_code: Number(code), status_msg: message },
    },
    code,
  );

/** What `base_resp` says for a code. */
export const baseResp = (code: string): { readonly status_code: number; readonly status_msg: string } => ({
  status_code: Number(code),
  status_msg: FAILURES[code]?.message ?? 'error',
});

/** The answer for one of the provider's codes: most come under status 200 unless another one is asked for. */
export const minimaxError = (code: string, context: ErrorContext): Reply => {
  const failure: Failure = FAILURES[code] ?? { status: 200, message: 'error' };
  const status = context.status ?? failure.status;
  const sent = failure.code ?? code;
  return status === 200
    ? inBaseResp(sent, failure.message, context)
    : outright(status, sent, failure.message, context.requestId);
};

/** The answer for a status: one of the codes that come with it. */
export const minimaxErrorOfStatus = (status: number, context: ErrorContext): Reply =>
  minimaxError(CODE_OF_STATUS[status] ?? (status >= 500 || status === 200 ? '1000' : '2013'), {
    ...context,
    status,
  });

export const minimaxKeyRefusal = (key: string | undefined, context: ErrorContext): Reply | undefined => {
  if (key === undefined) return minimaxError('1004', context);
  return key === 'bad' ? minimaxError('2049', context) : undefined;
};

/** Refuses a parameter. */
export const minimaxRefusal = (problem: string, context: ErrorContext): Refusal =>
  new Refusal(outright(400, '2013', `invalid params, ${problem}`, context.requestId));
