import type { Operation } from '../../domain/script-book.js';
import type { Dialect } from '../dialect.js';
import { readQwenChat } from './qwen-chat.js';
import { qwenEmbeddings } from './qwen-embeddings.js';
import { qwenError, qwenErrorOfStatus, qwenKeyRefusal } from './qwen-errors.js';
import { qwenBody, qwenFailure, qwenFrames } from './qwen-frames.js';
import { QWEN_EMBEDDINGS, QWEN_MODELS } from './qwen-models.js';

const OPERATIONS: Readonly<Record<string, Operation>> = {
  'POST /qwen/compatible-mode/v1/chat/completions': 'chat',
  'POST /qwen/compatible-mode/v1/embeddings': 'embeddings',
  'GET /qwen/compatible-mode/v1/models': 'models',
};

/** Alibaba Cloud Model Studio (DashScope), compatible mode. It bills an answer although the caller left. */
export const qwen: Dialect = {
  provider: 'qwen',
  prefix: '/qwen',
  billsAfterCancel: true,
  unaryMsMax: 300_000,
  streamContentType: 'text/event-stream;charset=utf-8',
  operation: (method, path) => OPERATIONS[`${method} ${path}`],
  headers: (requestId) => ({ 'x-request-id': requestId, 'x-dashscope-call-gateway': 'true' }),
  refuseKey: qwenKeyRefusal,
  error: qwenError,
  errorOfStatus: qwenErrorOfStatus,
  readChat: readQwenChat,
  embeddings: qwenEmbeddings,
  list: () => ({
    object: 'list',
    data: [...Object.keys(QWEN_MODELS), ...Object.keys(QWEN_EMBEDDINGS)].map((id) => ({
      id,
      object: 'model',
      owned_by: 'system',
    })),
  }),
  chatBody: qwenBody,
  chatFrames: qwenFrames,
  streamFailure: qwenFailure,
};
