import type { Operation } from '../../domain/script-book.js';
import type { Dialect } from '../dialect.js';
import { readGlmChat } from './glm-chat.js';
import { glmEmbeddings } from './glm-embeddings.js';
import { glmError, glmErrorOfStatus, glmKeyRefusal } from './glm-errors.js';
import { glmBody, glmFailure, glmFrames } from './glm-frames.js';
import { GLM_MODELS } from './glm-models.js';

const OPERATIONS: Readonly<Record<string, Operation>> = {
  'POST /glm/api/paas/v4/chat/completions': 'chat',
  'POST /glm/api/paas/v4/embeddings': 'embeddings',
  'GET /glm/api/paas/v4/models': 'models',
};

/** Zhipu BigModel, the API version 4. */
export const glm: Dialect = {
  provider: 'glm',
  prefix: '/glm',
  billsAfterCancel: false,
  streamContentType: 'text/event-stream;charset=UTF-8',
  operation: (method, path) => OPERATIONS[`${method} ${path}`],
  headers: () => ({}),
  refuseKey: glmKeyRefusal,
  error: glmError,
  errorOfStatus: glmErrorOfStatus,
  readChat: readGlmChat,
  embeddings: glmEmbeddings,
  list: () => ({
    object: 'list',
    data: Object.entries(GLM_MODELS)
      .filter(([, model]) => model.listed)
      .map(([id]) => ({ id, object: 'model', owned_by: 'z-ai' })),
  }),
  chatBody: glmBody,
  chatFrames: glmFrames,
  streamFailure: glmFailure,
};
