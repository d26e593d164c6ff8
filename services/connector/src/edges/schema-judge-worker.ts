import { parentPort } from 'node:worker_threads';
import { problemOf } from '@tunan/llm';
import type { JudgeJob } from './schema-judge.js';

parentPort!.on('message', ({ schema, text }: JudgeJob) => {
  parentPort!.postMessage(problemOf(schema, text) ?? null);
});
