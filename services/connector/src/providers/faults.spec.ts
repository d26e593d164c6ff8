import { describe, expect, it } from '@jest/globals';
import type { ProviderId } from '@tunan/contracts';
import type { FaultCode } from '@tunan/kernel';
import { readErrorBody, vendorFault } from '../domain/vendor-error.js';
import { DIALECTS } from './index.js';

const faultOf = (provider: ProviderId, status: number, body: string | object) => {
  const dialect = DIALECTS[provider];
  const error =
    typeof body === 'object' && 'base_resp' in body
      ? dialect.inBandError(body)!
      : readErrorBody(status, typeof body === 'string' ? body : JSON.stringify(body));
  return vendorFault(provider, error, dialect.classify);
};
const openai = (message: string, type = '', code: string | null = null) => ({
  error: { message, type, param: null, code },
});

// Shapes of documented and captured error bodies.
const deepseek: readonly (readonly [number, string | object, FaultCode])[] = [
  [
    400,
    openai(
      'Invalid max_tokens value, the valid range of max_tokens is [1, 393216]',
      'invalid_request_error',
      'invalid_request_error',
    ),
    'invalid_value',
  ],
  [422, openai('bad temperature', 'invalid_request_error', 'invalid_request_error'), 'invalid_value'],
  [400, openai('Content Exists Risk', 'invalid_request_error', 'invalid_request_error'), 'content_filter'],
  [
    400,
    openai('Model Not Exist', 'invalid_request_error', 'invalid_request_error'),
    'upstream_model_missing',
  ],
  [
    400,
    openai("This model's maximum context length is 131072 tokens.", 'invalid_request_error'),
    'context_length_exceeded',
  ],
  [
    400,
    openai(
      'The reasoning_content in the thinking mode must be passed back to the API.',
      'invalid_request_error',
    ),
    'upstream_rejected',
  ],
  [
    400,
    openai('Thinking mode does not support this tool_choice', 'invalid_request_error'),
    'upstream_rejected',
  ],
  [
    401,
    openai(
      'Authentication Fails, Your api key: ****abcd is invalid',
      'authentication_error',
      'invalid_request_error',
    ),
    'upstream_auth',
  ],
  [401, 'Authentication Fails (governor)', 'upstream_auth'],
  [402, openai('Insufficient Balance', 'unknown_error', 'invalid_request_error'), 'upstream_quota'],
  [429, openai('too many'), 'upstream_rate_limited'],
  [500, openai('oops'), 'upstream_error'],
  [503, 'busy', 'upstream_overloaded'],
];

const qwen: readonly (readonly [number, string | object, FaultCode])[] = [
  [401, openai('Incorrect API key provided.', 'invalid_request_error', 'invalid_api_key'), 'upstream_auth'],
  [
    400,
    openai('Access denied, please make sure your account is in good standing.', 'Arrearage', 'Arrearage'),
    'upstream_quota',
  ],
  [429, openai('x', '', 'PostpaidBillOverdue'), 'upstream_quota'],
  [429, openai('x', '', 'CommodityNotPurchased'), 'upstream_quota'],
  [403, openai('x', '', 'AllocationQuota.FreeTierOnly'), 'upstream_free_quota'],
  [429, openai('Free allocated quota exceeded.', '', 'insufficient_quota'), 'upstream_free_quota'],
  [
    429,
    openai('You exceeded your current quota', 'insufficient_quota', 'insufficient_quota'),
    'upstream_rate_limited',
  ],
  [429, openai('x', 'limit_requests', 'limit_requests'), 'upstream_rate_limited'],
  [429, openai('x', '', 'Throttling.RateQuota'), 'upstream_rate_limited'],
  [403, openai('Workspace endpoint access denied', '', 'Endpoint.AccessDenied'), 'upstream_model_missing'],
  [403, openai('x', '', 'Model.AccessDenied'), 'upstream_model_missing'],
  [
    404,
    openai('The model `x` does not exist or you do not have access to it.', '', 'model_not_found'),
    'upstream_model_missing',
  ],
  [
    400,
    openai(
      'Input data may contain inappropriate content.',
      'data_inspection_failed',
      'data_inspection_failed',
    ),
    'content_filter',
  ],
  [400, openai('x', '', 'DataInspectionFailed'), 'content_filter'],
  [
    400,
    `data: ${JSON.stringify(openai('Range of max_tokens should be [1, 8192]', 'invalid_parameter_error'))}`,
    'invalid_value',
  ],
  [
    400,
    openai(
      '<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]',
      '',
      'invalid_parameter_error',
    ),
    'context_length_exceeded',
  ],
  [
    400,
    openai(
      'parameter.enable_thinking must be set to false for non-streaming calls',
      '',
      'invalid_parameter_error',
    ),
    'upstream_rejected',
  ],
  [413, openai('x'), 'request_too_large'],
  [404, openai('x', '', 'model_not_supported'), 'upstream_model_missing'],
  [500, openai('x', '', 'InternalError.Algo'), 'upstream_error'],
  [500, openai('x', '', 'InternalError.Timeout'), 'upstream_timeout'],
  [503, openai('x', '', 'ModelServingError'), 'upstream_overloaded'],
];

const glm: readonly (readonly [number, string | object, FaultCode])[] = [
  [401, openai('x', '', '1002'), 'upstream_auth'],
  [401, openai('令牌已过期或验证不正确', '', '401'), 'upstream_auth'],
  [429, openai('余额不足', '', '1113'), 'upstream_quota'],
  [429, openai('x', '', '1302'), 'upstream_rate_limited'],
  [429, openai('x', '', '1305'), 'upstream_overloaded'],
  [429, openai('x', '', '1308'), 'upstream_quota_window'],
  [429, openai('x', '', '1311'), 'upstream_model_missing'],
  [429, openai('x', '', '1319'), 'upstream_quota_window'],
  [429, openai('x', '', '9999'), 'upstream_rate_limited'],
  [400, openai('x', '', '1211'), 'upstream_model_missing'],
  [400, openai('modelCode: does not exist', '', '1214'), 'upstream_model_missing'],
  [400, openai('The max_tokens parameter is illegal.', '', '1210'), 'invalid_value'],
  [400, openai('x', '', '1261'), 'context_length_exceeded'],
  [400, openai('x', '', '1301'), 'content_filter'],
  [401, openai('x', '', '1004'), 'upstream_auth'],
  [413, openai('x', '', '1214'), 'request_too_large'],
  [403, openai('x', '', '1220'), 'upstream_model_missing'],
  [403, openai('no API permission', '', '434'), 'upstream_auth'],
  [500, openai('x', '', '1234'), 'upstream_error'],
];

const base = (code: number, message = 'x') => ({
  choices: null,
  base_resp: { status_code: code, status_msg: message },
});
const envelope = (type: string, message: string) => ({
  type: 'error',
  error: { type, message, http_code: '400' },
  request_id: 'r',
});
const minimax: readonly (readonly [number, string | object, FaultCode])[] = [
  [200, base(1000), 'upstream_overloaded'],
  [200, base(1002), 'upstream_rate_limited'],
  [200, base(1004), 'upstream_auth'],
  [200, base(1008), 'upstream_quota'],
  [200, base(1026), 'content_filter'],
  [200, base(1039), 'upstream_rate_limited'],
  [200, base(2056), 'upstream_quota_window'],
  [200, base(2061), 'upstream_model_missing'],
  [200, base(4711), 'upstream_error'],
  [500, envelope('api_error', 'insufficient balance (1008)'), 'upstream_quota'],
  [401, envelope('authorized_error', 'login fail: Please carry the API secret key (1004)'), 'upstream_auth'],
  [401, envelope('authorized_error', 'invalid api key (2049)'), 'upstream_auth'],
  [403, envelope('authorized_error', 'invalid api key (2049)'), 'upstream_auth'],
  [
    400,
    envelope('bad_request_error', 'invalid params, context window exceeds limit (2013)'),
    'context_length_exceeded',
  ],
  [400, envelope('bad_request_error', "invalid params, unknown model 'x' (2013)"), 'upstream_model_missing'],
  [400, envelope('bad_request_error', 'invalid params, temperature (2013)'), 'invalid_value'],
  [429, envelope('rate_limit_error', 'slow down (1002)'), 'upstream_rate_limited'],
  [429, envelope('rate_limit_error', 'no number'), 'upstream_rate_limited'],
  [413, envelope('bad_request_error', 'invalid params, body too large (2013)'), 'request_too_large'],
  [402, envelope('insufficient_balance_error', 'x'), 'upstream_quota'],
];

describe.each(Object.entries({ deepseek, qwen, glm, minimax }) as [ProviderId, typeof deepseek][])(
  'faults of %s',
  (provider, cases) => {
    it.each(cases)('%d %j is %s', (status, body, code) => {
      expect(faultOf(provider, status, body).code).toBe(code);
    });
  },
);

/** Every phrase that a table reads, as a vendor would say it. */
const PHRASES = [
  'Insufficient Balance',
  'Content Exists Risk',
  "This model's maximum context length is 131072 tokens",
  'Model Not Exist',
  'unknown model',
  'The supported API model names are deepseek-flash',
  'the model gpt-9 does not exist',
  'The reasoning_content in the thinking mode must be passed back to the API.',
  'Thinking mode does not support this tool_choice',
  'Free allocated quota exceeded.',
  'Access denied, please make sure your account is in good standing.',
  'Range of input length should be [1, 9]',
  'This model only support stream mode',
  'parameter.enable_thinking must be set to false',
  'Output data may contain inappropriate content.',
  'modelCode: does not exist',
  'context window exceeds limit',
  'invalid params, unknown model',
  'insufficient balance (1008)',
  'plan does not include model (2061)',
];
/** What vendors make of a customer's words when they refuse them. */
const ECHOES: readonly ((said: string) => string)[] = [
  (said) => `'${said}' is not of type 'object' - 'tools.0.function'`,
  (said) => `''${said}'' is not one of ['system', 'user'] - 'messages.0.role'`,
  (said) => `"${said}" is too long - 'tools.0.function.name'`,
  (said) => `Invalid schema: \`${said}\` is not a type`,
  (said) => `tool id(${said}) not found`,
  (said) => `[${said}] is not allowed as a name`,
  (said) => `Tool names are not allowed to be ${said}`,
];
const refusal: Readonly<Record<ProviderId, readonly ((said: string) => object)[]>> = {
  deepseek: [(said) => openai(said, 'invalid_request_error', 'invalid_request_error')],
  qwen: [
    (said) => openai(said, 'invalid_request_error', 'invalid_parameter_error'),
    (said) =>
      openai(
        `<400> InternalError.Algo.InvalidParameter: ${said}`,
        'invalid_request_error',
        'invalid_parameter_error',
      ),
  ],
  glm: [(said) => openai(said, '', '1210'), (said) => openai(said, '', '1214')],
  minimax: [
    (said) => envelope('bad_request_error', `invalid params, ${said} (2013)`),
    (said) => base(2013, `invalid params, ${said}`),
  ],
};

// Guarantee: what a customer writes never costs a channel its model or its credential, however a vendor repeats it.
describe.each(Object.entries(refusal) as [ProviderId, (typeof refusal)[ProviderId]][])(
  '%s repeats a customer’s words',
  (provider, refuse) => {
    it.each(PHRASES)('%s', (said) => {
      for (const echo of ECHOES)
        for (const body of refuse)
          expect([echo(said), faultOf(provider, 400, body(echo(said))).code]).toEqual([
            echo(said),
            'invalid_value',
          ]);
    });
  },
);

// A message that ends in the customer's words ends in the customer's number, too.
it.each(['1008', '1004', '2049', '2061', '1000', '2056'])(
  'MiniMax: a refused request that ends in (%s) costs the credential nothing',
  (code) => {
    const { spec } = faultOf('minimax', 400, envelope('bad_request_error', `unknown field x (${code})`));
    expect(spec.credential).toBe('keep');
  },
);

// Guarantee: what a filter in front of a provider dislikes in one request switches off nobody's credential.
describe.each(Object.keys(DIALECTS) as ProviderId[])('%s: a 403 that no table knows', (provider) => {
  it.each<string | object>([
    '<html><head><title>403 Forbidden</title></head></html>',
    '',
    'Access denied: your request was blocked by our security policy.',
    { message: 'Forbidden' },
    openai('Request blocked.', 'forbidden', 'waf_blocked'),
  ])('%j counts, and disables nothing', (body) => {
    const { code, spec } = faultOf(provider, 403, body);
    expect([code, spec.credential, spec.failover]).toEqual(['upstream_forbidden', 'count', 'next']);
  });
});

it('DeepSeek: a name that is too long is no prompt that is too long', () => {
  const body = openai("'tools.0.function.name' is too long", 'invalid_request_error');
  expect(faultOf('deepseek', 400, body).code).toBe('invalid_value');
  expect(faultOf('deepseek', 400, openai('name too long', 'invalid_request_error')).code).toBe(
    'invalid_value',
  );
});

// Guarantee: an answer that is fine is never read as a failure.
it.each([{}, { base_resp: null }, { base_resp: { status_code: 0, status_msg: '' } }, { base_resp: {} }])(
  'MiniMax: %j is no failure',
  (frame) => {
    expect(DIALECTS.minimax.inBandError(frame)).toBeNull();
  },
);
