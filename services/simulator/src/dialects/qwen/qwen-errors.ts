import { jsonReply, Refusal, type ErrorContext, type Reply } from '../dialect.js';

interface Failure {
  readonly status: number;
  readonly message: string;
  /** `error.type` where it is not the code. */
  readonly type?: string;
  /** The code that is sent, where several failures share one. */
  readonly code?: string;
}

const RATE = 'Requests rate limit exceeded, please try again later.';
const INVALID = 'invalid_request_error';

const FAILURES: Readonly<Record<string, Failure>> = {
  invalid_api_key: { status: 401, type: INVALID, message: 'Incorrect API key provided.' },
  Arrearage: { status: 400, message: 'Access denied, please make sure your account is in good standing.' },
  CommodityNotPurchased: { status: 429, message: 'Commodity has not purchased yet.' },
  PrepaidBillOverdue: { status: 429, message: 'The prepaid bill is overdue.' },
  PostpaidBillOverdue: { status: 429, message: 'The postpaid bill is overdue.' },
  'AllocationQuota.FreeTierOnly': { status: 403, message: 'The free tier of the model has been exhausted.' },
  AccessDenied: { status: 403, message: 'Access denied.' },
  'AccessDenied.Unpurchased': {
    status: 403,
    message: 'Access to model denied. Please make sure you are eligible for using the model.',
  },
  'Model.AccessDenied': { status: 403, message: 'Model access denied.' },
  'Workspace.AccessDenied': { status: 403, message: 'Workspace access denied.' },
  'Endpoint.AccessDenied': { status: 403, message: 'Workspace endpoint access denied.' },
  model_not_found: {
    status: 404,
    type: INVALID,
    message: 'The model does not exist or you do not have access to it.',
  },
  model_not_supported: { status: 404, type: INVALID, message: 'The model is not supported.' },
  limit_requests: { status: 429, message: 'You exceeded your current requests list.' },
  limit_burst_rate: { status: 429, message: 'Request rate increased too quickly.' },
  Throttling: { status: 429, message: RATE },
  'Throttling.RateQuota': { status: 429, message: RATE },
  insufficient_quota: {
    status: 429,
    message: 'You exceeded your current quota, please check your plan and billing details.',
  },
  free_allocated_quota: {
    status: 429,
    message: 'Free allocated quota exceeded.',
    code: 'insufficient_quota',
  },
  output_inspection: {
    status: 400,
    message: 'Output data may contain inappropriate content.',
    code: 'data_inspection_failed',
  },
  data_inspection_failed: { status: 400, message: 'Input data may contain inappropriate content.' },
  DataInspectionFailed: { status: 400, message: 'Input data may contain inappropriate content.' },
  invalid_parameter_error: {
    status: 400,
    type: INVALID,
    message: '<400> InternalError.Algo.InvalidParameter',
  },
  context_length: {
    status: 400,
    type: INVALID,
    message: '<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 1000000]',
    code: 'invalid_parameter_error',
  },
  request_too_large: { status: 413, type: INVALID, message: 'Exceeded limit on max bytes per request body' },
  InternalError: { status: 500, message: 'An internal error has occured, please try again later.' },
  'InternalError.Algo': { status: 500, message: 'inference internal error' },
  'InternalError.Timeout': {
    status: 500,
    message: 'An internal timeout error has occured during execution.',
  },
  RequestTimeOut: { status: 500, message: 'Request timed out, please try again later.' },
  ModelServingError: {
    status: 503,
    message: 'Too many requests. Your requests are being throttled due to system capacity limits.',
  },
  ModelUnavailable: { status: 503, message: 'Model is unavailable, please try again later.' },
};

const CODE_OF_STATUS: Readonly<Record<number, string>> = {
  400: 'invalid_parameter_error',
  401: 'invalid_api_key',
  403: 'Model.AccessDenied',
  404: 'model_not_found',
  413: 'request_too_large',
  429: 'limit_requests',
  500: 'InternalError',
  503: 'ModelServingError',
};

/** The envelope. A refused stream gets it as an event, under the error's own status. */
const envelope = (
  status: number,
  code: string,
  type: string,
  message: string,
  context: ErrorContext,
): Reply => {
  const body = { error: { message, type, param: null, code }, request_id: context.requestId };
  if (!context.stream || status >= 500) return jsonReply(status, body, code);
  return {
    status,
    contentType: 'text/event-stream;charset=utf-8',
    body: `data: ${JSON.stringify(body)}\n\n`,
    code,
  };
};

/** The answer for one of the provider's codes. */
export const qwenError = (code: string, context: ErrorContext): Reply => {
  const failure: Failure = FAILURES[code] ?? { status: 400, message: code };
  const sent = failure.code ?? code;
  return envelope(context.status ?? failure.status, sent, failure.type ?? sent, failure.message, context);
};

/** The answer for a status: one of the codes that come with it. */
export const qwenErrorOfStatus = (status: number, context: ErrorContext): Reply =>
  qwenError(CODE_OF_STATUS[status] ?? (status < 500 ? 'invalid_parameter_error' : 'InternalError'), {
    ...context,
    status,
  });

/** Keys are checked before the body is looked at, so these refusals are never events. */
export const qwenKeyRefusal = (key: string | undefined, context: ErrorContext): Reply | undefined => {
  const said = key === undefined ? "You didn't provide an API key." : 'Incorrect API key provided.';
  if (key !== undefined && key !== 'bad') return undefined;
  return envelope(401, 'invalid_api_key', INVALID, said, { ...context, stream: false });
};

/** Refuses a parameter. */
export const qwenRefusal = (problem: string, context: ErrorContext): Refusal =>
  new Refusal(
    envelope(
      400,
      'invalid_parameter_error',
      INVALID,
      `<400> InternalError.Algo.InvalidParameter: ${problem}`,
      context,
    ),
  );

/** Refuses a model that is not there, or no longer. */
export const qwenModelRefusal = (model: string, retired: boolean, context: ErrorContext): Refusal =>
  new Refusal(
    retired
      ? qwenError('Endpoint.AccessDenied', context)
      : envelope(
          404,
          'model_not_found',
          INVALID,
          `The model \`${model}\` does not exist or you do not have access to it.`,
          context,
        ),
  );
