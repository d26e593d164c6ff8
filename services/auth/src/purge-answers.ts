import type { IdempotentAnswers } from './ports/idempotent-answers.js';

/** Answers that leave in one statement. */
const BATCH = 1_000;
/** Statements of one round, so that it ends; what is left has to wait for the next one. */
const BATCHES_MAX = 100;

/**
 * Removes answers that have run out.
 * @param stopping the round ends early
 * @returns how many were removed
 * @throws Fault
 */
export const purgeAnswers = async (
  answers: Pick<IdempotentAnswers, 'purge'>,
  stopping: AbortSignal,
): Promise<number> => {
  let purged = 0;
  for (let batch = 0; batch < BATCHES_MAX && !stopping.aborted; batch += 1) {
    const removed = await answers.purge(BATCH);
    purged += removed;
    if (removed < BATCH) break;
  }
  return purged;
};
