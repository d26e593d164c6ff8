import type { ProviderId } from '@tunan/contracts';
import type { Dialect } from '../domain/dialect.js';
import { deepseek } from './deepseek.js';
import { glm } from './glm.js';
import { minimax } from './minimax.js';
import { qwen } from './qwen.js';

/** Every provider's dialect. */
export const DIALECTS: Readonly<Record<ProviderId, Dialect>> = { deepseek, qwen, glm, minimax };
