/** Who has to act on a fault: the metric label and the alert route. */
export type FaultOwner = 'client' | 'upstream' | 'capacity' | 'config' | 'platform';

/** The `type` member of an OpenAI error object, which SDKs and frameworks switch on. */
export type ErrorType =
  | 'invalid_request_error'
  | 'insufficient_quota'
  | 'permission_error'
  | 'rate_limit_error'
  | 'server_error'
  | 'api_error';

/** What routing may do after this fault, as long as no content has reached the client. */
export type FailoverRule = 'never' | 'next' | 'same-then-next';

/** What happens to the provider credential that met the fault. */
export type CredentialAction = 'keep' | 'count' | 'cool' | 'suspend' | 'disable' | 'drop-model';

/** One row of the fault table. */
export interface FaultSpec {
  readonly status: number;
  readonly type: ErrorType;
  /** The `code` that a client sees. Several internal faults may share one, so that nothing internal shows. */
  readonly code: string | 402;
  readonly owner: FaultOwner;
  readonly failover: FailoverRule;
  readonly credential: CredentialAction;
  /** Sent as `x-should-retry`; absent where the SDK's own rule for the status is right. */
  readonly shouldRetry?: boolean;
}

const client = (status: number, code: string, type: ErrorType = 'invalid_request_error') =>
  ({ status, type, code, owner: 'client', failover: 'never', credential: 'keep' }) as const;

/** Everything about our own keys, quota and capacity at a provider shows as one public error. */
const unavailable = (owner: FaultOwner, failover: FailoverRule, credential: CredentialAction) =>
  ({ status: 503, type: 'api_error', code: 'upstream_unavailable', owner, failover, credential }) as const;

const upstream = (status: number, code: string, failover: FailoverRule) =>
  ({ status, type: 'api_error', code, owner: 'upstream', failover, credential: 'count' }) as const;

const platform = (code: string) =>
  ({
    status: 503,
    type: 'api_error',
    code,
    owner: 'platform',
    failover: 'never',
    credential: 'keep',
  }) as const;

/**
 * Every fault the platform knows, and the one place that decides its public error, its failover and what the
 * credential suffers. The public columns are the closed error table of the wire contract.
 */
export const FAULTS = {
  invalid_json: client(400, 'invalid_json'),
  invalid_value: client(400, 'invalid_value'),
  missing_required_parameter: client(400, 'missing_required_parameter'),
  unsupported_parameter: client(400, 'unsupported_parameter'),
  context_length_exceeded: client(400, 'context_length_exceeded'),
  content_filter: client(400, 'content_filter'),
  invalid_api_key: client(401, 'invalid_api_key'),
  missing_api_key: client(401, 'missing_api_key'),
  insufficient_quota: { ...client(402, '', 'insufficient_quota'), code: 402, shouldRetry: false },
  model_not_allowed: client(403, 'model_not_allowed', 'permission_error'),
  account_suspended: client(403, 'account_suspended', 'permission_error'),
  email_unverified: client(403, 'email_unverified', 'permission_error'),
  key_cap_reached: client(403, 'key_cap_reached', 'permission_error'),
  model_not_found: client(404, 'model_not_found'),
  not_found: client(404, 'not_found'),
  method_not_allowed: client(405, 'method_not_allowed'),
  request_timeout: client(408, 'request_timeout'),
  idempotency_in_progress: { ...client(409, 'idempotency_in_progress'), shouldRetry: false },
  answer_not_stored: { ...client(409, 'answer_not_stored'), shouldRetry: false },
  request_too_large: client(413, 'request_too_large'),
  url_too_long: client(414, 'request_too_large'),
  unsupported_media_type: client(415, 'unsupported_media_type'),
  unsupported_expectation: client(417, 'unsupported_expectation'),
  idempotency_key_reused: { ...client(422, 'idempotency_key_reused'), shouldRetry: false },
  upgrade_not_supported: client(426, 'upgrade_not_supported'),
  rate_limit_exceeded: client(429, 'rate_limit_exceeded', 'rate_limit_error'),
  headers_too_large: client(431, 'request_too_large'),

  /** The client went away. Never sent to anybody: there is nobody left to read it. */
  client_closed: { ...client(499, 'client_closed'), credential: 'keep' },
  /**
   * The time that the request allows is over. Who asks for an answer in a second says nothing of the provider that would
   * have taken three, so no channel suffers for it; there is no time left to try another.
   */
  deadline_exceeded: { ...client(504, 'upstream_timeout', 'api_error') },

  internal_error: {
    status: 500,
    type: 'server_error',
    code: 'internal_error',
    owner: 'platform',
    failover: 'never',
    credential: 'keep',
  },

  upstream_error: upstream(502, 'upstream_error', 'same-then-next'),
  upstream_stream_cut: upstream(502, 'upstream_stream_cut', 'same-then-next'),
  upstream_overloaded: upstream(503, 'upstream_unavailable', 'same-then-next'),
  upstream_timeout: upstream(504, 'upstream_timeout', 'next'),
  /** A 4xx that no vendor table knows: our encoding is the likelier culprit, so it is not shown as the client's. */
  upstream_rejected: { ...upstream(502, 'upstream_error', 'next'), credential: 'keep' },
  /**
   * A 403 that no vendor table knows. It may be a filter in front of the provider that dislikes one request, or one that
   * dislikes us: so it counts, and no credential is switched off for what one customer wrote.
   */
  upstream_forbidden: upstream(502, 'upstream_error', 'next'),
  structured_output_failed: { ...upstream(502, 'structured_output_failed', 'never'), credential: 'keep' },

  upstream_auth: unavailable('config', 'next', 'disable'),
  upstream_quota: unavailable('config', 'next', 'suspend'),
  /** What a plan allows of all its models together is used up until a time that the provider may tell. */
  upstream_quota_window: unavailable('capacity', 'next', 'cool'),
  /** What is free of one model is used up: the account's other models still answer. */
  upstream_free_quota: unavailable('capacity', 'next', 'cool'),
  upstream_rate_limited: unavailable('capacity', 'next', 'cool'),
  upstream_model_missing: unavailable('config', 'next', 'drop-model'),
  /** Every connection that we have for a provider is in use. The provider has limited nothing: no channel rests for it. */
  connections_taken: unavailable('capacity', 'next', 'keep'),
  no_channel_available: unavailable('capacity', 'never', 'keep'),

  service_unavailable: platform('service_unavailable'),
  /** A settlement that came too late, was not made before, and never will be: the request costs nothing. */
  settlement_lapsed: platform('service_unavailable'),
  overloaded: { ...platform('service_unavailable'), owner: 'capacity' },
} as const satisfies Record<string, FaultSpec>;

/** Internal name of a fault. */
export type FaultCode = keyof typeof FAULTS;

/** True if `code` names a row of {@link FAULTS}; for codes that come from another process. */
export const isFaultCode = (code: unknown): code is FaultCode =>
  typeof code === 'string' && Object.hasOwn(FAULTS, code);
