import type { Operation } from '../../domain/script-book.js';
import type { Dialect } from '../dialect.js';
import { deepseekBody, deepseekFailure, deepseekFrames } from './deepseek-frames.js';
import { deepseekError, deepseekErrorOfStatus, deepseekKeyRefusal } from './deepseek-errors.js';
import { LISTED_MODELS } from './deepseek-models.js';
import { readDeepSeekChat } from './deepseek-chat.js';

const OPERATIONS: Readonly<Record<string, Operation>> = {
  'POST /deepseek/chat/completions': 'chat',
  'POST /deepseek/v1/chat/completions': 'chat',
  'GET /deepseek/models': 'models',
  'GET /deepseek/v1/models': 'models',
  'GET /deepseek/user/balance': 'balance',
};

/** DeepSeek's own API, as of autumn 2026. */
export const deepseek: Dialect = {
  provider: 'deepseek',
  prefix: '/deepseek',
  billsAfterCancel: false,
  streamContentType: 'text/event-stream; charset=utf-8',
  operation: (method, path) => OPERATIONS[`${method} ${path}`],
  headers: (requestId) => ({ 'x-ds-trace-id': requestId }),
  refuseKey: deepseekKeyRefusal,
  error: deepseekError,
  errorOfStatus: deepseekErrorOfStatus,
  readChat: readDeepSeekChat,
  embeddings: undefined,
  list: (operation) =>
    operation === 'balance'
      ? {
          is_available: true,
          balance_infos: [
            {
              currency: 'CNY',
              total_balance: '110.00',
              granted_balance: '10.00',
              topped_up_balance: '100.00',
            },
          ],
        }
      : { object: 'list', data: LISTED_MODELS.map((id) => ({ id, object: 'model', owned_by: 'deepseek' })) },
  chatBody: deepseekBody,
  chatFrames: deepseekFrames,
  streamFailure: deepseekFailure,
};
