import { USAGE_EVENT_TYPE, type UsageEvent } from '@tunan/contracts';
import { uuidv7, type Nano } from '@tunan/kernel';

/** Facts of a usage event that a test cares about; everything else is plausible. */
export interface UsageFacts {
  readonly accountId: string;
  readonly requestId?: string;
  readonly keyId?: string;
  readonly kind?: 'final' | 'lost';
  readonly outcome?: UsageEvent['data']['outcome'];
  readonly cost?: Nano;
}

/** A valid usage event. */
export const usageEventOf = ({
  accountId,
  requestId = uuidv7(),
  keyId = 'key_1',
  kind = 'final',
  outcome = kind === 'lost' ? 'lost' : 'completed',
  cost = 1_000n,
}: UsageFacts): UsageEvent => ({
  specversion: '1.0',
  id: `${requestId}:${kind}`,
  source: '/auth',
  type: USAGE_EVENT_TYPE,
  subject: accountId,
  time: '2026-01-01T00:00:00.000Z',
  data: {
    requestId,
    accountId,
    keyId,
    kind,
    outcome,
    operation: 'chat',
    stream: true,
    model: 'deepseek-chat',
    provider: 'deepseek',
    upstreamModel: 'deepseek-chat',
    channel: 'deepseek-chat',
    attempts: 1,
    fallback: false,
    completions: 1,
    usage: { prompt: 120, cachedPrompt: 0, completion: 340, reasoning: 0 },
    catalogVersion: 1,
    price: { input: 200_000_000n, cachedInput: 200_000_000n, output: 400_000_000n },
    cost,
    flags: [],
  },
});
