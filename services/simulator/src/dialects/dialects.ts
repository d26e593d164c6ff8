import { deepseek } from './deepseek/deepseek.js';
import type { Dialect } from './dialect.js';
import { glm } from './glm/glm.js';
import { minimax } from './minimax/minimax.js';
import { qwen } from './qwen/qwen.js';

/** Every provider that the simulator plays. */
export const DIALECTS: readonly Dialect[] = [deepseek, qwen, glm, minimax];

/** The provider that a path belongs to. */
export const dialectOf = (path: string): Dialect | undefined =>
  DIALECTS.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`));
