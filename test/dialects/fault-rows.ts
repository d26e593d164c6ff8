import type { ProviderId } from '@tunan/contracts';
import type { CredentialAction, FaultCode } from '@tunan/kernel';
import type { RawBehaviour } from '@tunan/simulator/testing';

/** One way in which providers fail, what it is to us, and what follows from it. */
export interface FaultRow {
  readonly what: string;
  readonly code: FaultCode;
  /** Whether another channel gets the request. */
  readonly failsOver: boolean;
  /** Whether the same channel is asked once more before that. */
  readonly sameChannel: 'once' | 'no';
  readonly action: CredentialAction;
  /** How long the credential rests, in milliseconds, least and most. */
  readonly restMs?: Partial<Record<ProviderId, readonly [number, number]>>;
  /** True if the account's other models rest with this one. */
  readonly ofAccount?: boolean;
  /** What a client may read of it if no other channel answers: status, type, code, param. */
  readonly shown: readonly [number, string, string, string | null];
  /** The simulator's faults that are this, by provider, as a fault or a whole behaviour. */
  readonly faults: Partial<Record<ProviderId, readonly (string | RawBehaviour)[]>>;
  /** The way in which it fails is one of streams, or of chats. */
  readonly only?: 'stream' | 'chat';
}

const errors = (...codes: readonly string[]): readonly string[] => codes.map((code) => `error:${code}`);
const CUTS = ['cut:0:eof', 'cut:0:close', 'cut:0:reset'];
/** An answer of nothing that ends with a finish reason. */
const ends = (finish: string): RawBehaviour => ({ finish, tokens: 0, reasoning_tokens: 0 });
const UNAVAILABLE = [503, 'api_error', 'upstream_unavailable', null] as const;
const FAILED = [502, 'api_error', 'upstream_error', null] as const;
const refused = (status: number, code: string, param: string | null = null) =>
  [status, 'invalid_request_error', code, param] as const;

/** Every row of the mapping of vendor errors. What a provider does not have is not listed for it. */
export const FAULT_ROWS: readonly FaultRow[] = [
  {
    what: 'our key is refused',
    code: 'upstream_auth',
    failsOver: true,
    sameChannel: 'no',
    action: 'disable',
    ofAccount: true,
    shown: UNAVAILABLE,
    faults: {
      deepseek: errors('401'),
      qwen: errors('invalid_api_key'),
      glm: errors('401', '1000', '1001', '1002', '1003', '1004', '1005', '1314', '1315'),
      minimax: errors('1004', '2049', '1004:200'),
    },
  },
  {
    what: 'our credit is used up',
    code: 'upstream_quota',
    failsOver: true,
    sameChannel: 'no',
    action: 'suspend',
    ofAccount: true,
    shown: UNAVAILABLE,
    faults: {
      deepseek: errors('402'),
      qwen: errors('Arrearage', 'CommodityNotPurchased', 'PrepaidBillOverdue', 'PostpaidBillOverdue'),
      glm: errors('1113', '1309', '1313'),
      minimax: errors('1008', '1008:402', '1008:429', '1008:500'),
    },
  },
  {
    what: 'a quota window is used up',
    code: 'upstream_quota_window',
    failsOver: true,
    sameChannel: 'no',
    action: 'cool',
    restMs: { glm: [1_700_000, 1_800_000], minimax: [900_000, 3_600_000] },
    ofAccount: true,
    shown: UNAVAILABLE,
    faults: {
      glm: errors('1308', '1310', '1316', '1317', '1318', '1319', '1320', '1321'),
      minimax: errors('2056', '2062'),
    },
  },
  {
    what: 'what is free of a model is used up',
    code: 'upstream_free_quota',
    failsOver: true,
    sameChannel: 'no',
    action: 'cool',
    restMs: { qwen: [600_000, 600_000] },
    shown: UNAVAILABLE,
    faults: { qwen: errors('AllocationQuota.FreeTierOnly', 'free_allocated_quota') },
  },
  {
    what: 'too many calls',
    code: 'upstream_rate_limited',
    failsOver: true,
    sameChannel: 'no',
    action: 'cool',
    restMs: {
      deepseek: [1_000, 5_000],
      qwen: [60_000, 60_000],
      glm: [1_000, 5_000],
      minimax: [10_000, 60_000],
    },
    shown: UNAVAILABLE,
    faults: {
      deepseek: errors('429'),
      qwen: errors(
        'limit_requests',
        'limit_burst_rate',
        'Throttling',
        'Throttling.RateQuota',
        'insufficient_quota',
      ),
      glm: errors('1302'),
      minimax: errors('1002', '1002:429', '1039', '1041', '2045'),
    },
  },
  {
    what: 'overloaded',
    code: 'upstream_overloaded',
    failsOver: true,
    sameChannel: 'once',
    action: 'count',
    shown: UNAVAILABLE,
    faults: {
      deepseek: [...errors('503'), 'whitespace'],
      qwen: errors('ModelServingError', 'ModelUnavailable'),
      glm: errors('1305'),
      minimax: errors('1000', '1001'),
    },
  },
  {
    what: 'overloaded, told in the stream before content',
    code: 'upstream_overloaded',
    failsOver: true,
    sameChannel: 'once',
    action: 'count',
    shown: UNAVAILABLE,
    only: 'stream',
    faults: {
      deepseek: ['stream_error:0:insufficient_system_resource'],
      glm: ['stream_error:0:network_error'],
      minimax: ['stream_error:0:1000'],
    },
  },
  {
    what: 'overloaded, told by how the answer ends',
    code: 'upstream_overloaded',
    failsOver: true,
    sameChannel: 'once',
    action: 'count',
    shown: UNAVAILABLE,
    only: 'chat',
    faults: { deepseek: [ends('insufficient_system_resource')], glm: [ends('network_error')] },
  },
  {
    what: 'the provider gives the answer up',
    code: 'upstream_error',
    failsOver: true,
    sameChannel: 'once',
    action: 'count',
    shown: FAILED,
    only: 'chat',
    faults: { deepseek: [ends('aborted')] },
  },
  {
    what: 'the provider fails',
    code: 'upstream_error',
    failsOver: true,
    sameChannel: 'once',
    action: 'count',
    shown: FAILED,
    faults: {
      deepseek: [...errors('500'), 'reset', 'close', 'html:502'],
      qwen: [...errors('InternalError', 'InternalError.Algo'), 'reset'],
      glm: [...errors('1200', '1230', '1234'), 'reset'],
      minimax: [...errors('1013', '1024', '1033', '1024:500'), 'reset'],
    },
  },
  {
    what: 'the provider takes too long',
    code: 'upstream_timeout',
    failsOver: true,
    sameChannel: 'no',
    action: 'count',
    shown: [504, 'api_error', 'upstream_timeout', null],
    faults: {
      deepseek: ['html:504', 'html:408'],
      qwen: [...errors('InternalError.Timeout', 'RequestTimeOut'), 'html:504'],
      glm: ['html:504', 'html:408'],
      minimax: ['html:504', 'html:408'],
    },
  },
  {
    what: 'a stream is cut before content',
    code: 'upstream_stream_cut',
    failsOver: true,
    sameChannel: 'once',
    action: 'count',
    shown: [502, 'api_error', 'upstream_stream_cut', null],
    only: 'stream',
    faults: {
      deepseek: CUTS,
      qwen: CUTS,
      glm: CUTS,
      minimax: CUTS,
    },
  },
  {
    what: 'the request is filtered',
    code: 'content_filter',
    failsOver: false,
    sameChannel: 'no',
    action: 'keep',
    shown: refused(400, 'content_filter'),
    faults: {
      deepseek: errors('content_risk'),
      qwen: errors('data_inspection_failed', 'DataInspectionFailed'),
      glm: errors('1301'),
      minimax: errors('1026', '1026:500'),
    },
  },
  {
    what: 'the prompt is too long',
    code: 'context_length_exceeded',
    failsOver: false,
    sameChannel: 'no',
    action: 'keep',
    shown: refused(400, 'context_length_exceeded', 'messages'),
    faults: {
      deepseek: errors('context_length'),
      qwen: errors('context_length'),
      glm: errors('1261'),
      minimax: errors('context_window'),
    },
  },
  {
    what: 'a value is refused',
    code: 'invalid_value',
    failsOver: false,
    sameChannel: 'no',
    action: 'keep',
    shown: refused(400, 'invalid_value'),
    faults: {
      deepseek: errors('400', '422'),
      qwen: errors('invalid_parameter_error'),
      glm: errors('1210', '1212', '1213', '1214', '1215'),
      minimax: errors('2013', '2013:200', '1042'),
    },
  },
  {
    what: 'the request is too large',
    code: 'request_too_large',
    failsOver: false,
    sameChannel: 'no',
    action: 'keep',
    shown: refused(413, 'request_too_large'),
    faults: {
      deepseek: errors('413'),
      qwen: errors('request_too_large'),
      glm: errors('435', '1214:413'),
      minimax: errors('2013:413'),
    },
  },
  {
    what: 'the model is not there, or not for us',
    code: 'upstream_model_missing',
    failsOver: true,
    sameChannel: 'no',
    action: 'drop-model',
    shown: UNAVAILABLE,
    faults: {
      deepseek: errors('model_not_exist', '404'),
      qwen: errors(
        'model_not_found',
        'model_not_supported',
        'AccessDenied',
        'AccessDenied.Unpurchased',
        'Model.AccessDenied',
        'Workspace.AccessDenied',
        'Endpoint.AccessDenied',
      ),
      glm: errors('1211', 'model_code', '1220', '1221', '1222', '1311'),
      minimax: errors('2061', 'unknown_model'),
    },
  },
  {
    what: 'a 403 that nobody knows',
    code: 'upstream_forbidden',
    failsOver: true,
    sameChannel: 'no',
    action: 'count',
    shown: FAILED,
    faults: { deepseek: ['html:403'], qwen: ['html:403'], glm: ['html:403'], minimax: ['html:403'] },
  },
  {
    what: 'a refusal that nobody knows',
    code: 'upstream_rejected',
    failsOver: true,
    sameChannel: 'no',
    action: 'keep',
    shown: FAILED,
    faults: { deepseek: ['html:418'], qwen: ['html:418'], glm: ['html:418'], minimax: ['html:418'] },
  },
];
