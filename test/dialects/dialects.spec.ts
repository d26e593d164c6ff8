import { afterAll, beforeAll, describe } from '@jest/globals';
import { startAll, type Platform } from '../e2e/topology.js';
import { describeCapabilityMatrix } from './describe-capability-matrix.js';
import { describeConversations } from './describe-conversations.js';
import { describeEmbeddingBatches } from './describe-embedding-batches.js';
import { describeFunctions } from './describe-functions.js';
import { describeLongAnswers } from './describe-long-answers.js';
import { describeStops } from './describe-stops.js';
import { describeStructuredOutput } from './describe-structured-output.js';
import { describeThinking } from './describe-thinking.js';
import { describeVision } from './describe-vision.js';
import { describeParameters } from './describe-parameters.js';

describe('four providers behind one API', () => {
  let platform: Platform;
  beforeAll(async () => {
    platform = await startAll();
  }, 180_000);
  afterAll(() => platform.stop(), 60_000);

  describeCapabilityMatrix(() => platform);
  describeParameters(() => platform);
  describeStructuredOutput(() => platform);
  describeFunctions(() => platform);
  describeStops(() => platform);
  describeLongAnswers(() => platform);
  describeVision(() => platform);
  describeThinking(() => platform);
  describeEmbeddingBatches(() => platform);
  describeConversations(() => platform);
});
