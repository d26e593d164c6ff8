import type { Operation } from '../../domain/script-book.js';
import type { Dialect } from '../dialect.js';
import { readMiniMaxChat } from './minimax-chat.js';
import { minimaxError, minimaxErrorOfStatus, minimaxKeyRefusal } from './minimax-errors.js';
import { minimaxBody, minimaxFailure, minimaxFrames } from './minimax-frames.js';
import { MINIMAX_MODELS } from './minimax-models.js';

const LISTED_SINCE_S = 1_780_272_000;

const OPERATIONS: Readonly<Record<string, Operation>> = {
  'POST /minimax/v1/chat/completions': 'chat',
  'GET /minimax/v1/models': 'models',
};

/** MiniMax's OpenAI-like API. It bills an answer although the caller left. */
export const minimax: Dialect = {
  provider: 'minimax',
  prefix: '/minimax',
  billsAfterCancel: true,
  streamContentType: 'text/event-stream',
  operation: (method, path) => OPERATIONS[`${method} ${path}`],
  headers: () => ({}),
  refuseKey: minimaxKeyRefusal,
  error: minimaxError,
  errorOfStatus: minimaxErrorOfStatus,
  readChat: readMiniMaxChat,
  embeddings: undefined,
  list: () => ({
    object: 'list',
    data: Object.keys(MINIMAX_MODELS).map((id) => ({
      id,
      object: 'model',
      created: LISTED_SINCE_S,
      owned_by: 'minimax',
    })),
  }),
  chatBody: minimaxBody,
  chatFrames: minimaxFrames,
  streamFailure: minimaxFailure,
};
