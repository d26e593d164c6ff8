import {
  AuthPort,
  type AdmitReply,
  type AdmitRequest,
  type BeginIdempotentReply,
  type CountedAs,
  type FindIdempotentReply,
  type Hold,
  type IdempotentEnd,
  type InspectReply,
  type Limits,
  type Principal,
  type SettleRequest,
} from '@tunan/contracts';

const LIMIT = { limit: 60, remaining: 59, resetMs: 1_000 };

/** An `auth` that grants everything and remembers what it was asked, in order. */
export class FakeAuth extends AuthPort {
  readonly settlements: SettleRequest[] = [];
  readonly voids: { requestId: string; giveBackRequest: boolean }[] = [];
  readonly renewals: { deliveredTokens: number }[] = [];
  /** What `admit` answers instead of a grant. */
  admission: AdmitReply | Error | undefined;
  /** Failures that `settle` has before it succeeds. */
  settleFailures = 0;
  settleFailure: Error = new Error('auth is away');
  /** Called at the start of every settlement, before it is durable. */
  onSettle: (request: SettleRequest) => void = () => undefined;
  /** Principals by digest of their key. */
  readonly principals = new Map<string, Principal>();
  /** What `inspect` answers, and what it was asked. */
  inspection: InspectReply | Error = { outcome: 'cold', retryAfterMs: 1_000 };
  readonly inspections: { countedAs: CountedAs }[] = [];
  /** What `findIdempotent` and `beginIdempotent` answer, what `endIdempotent` was told, and how it fails. */
  found: FindIdempotentReply = { outcome: 'none' };
  idempotent: BeginIdempotentReply | Error = { outcome: 'begun' };
  /** What it was asked for, by name, in order. */
  readonly calls: string[] = [];
  readonly ends: IdempotentEnd[] = [];
  endFailure: Error | undefined;
  /** False if another request has taken the mark over. */
  owned = true;
  /** What `settle` says of them. */
  limitsAfter: Limits | undefined;
  renewal: 'renewed' | 'settled' | 'away' = 'renewed';
  leaseMs = 60_000;

  identify: AuthPort['identify'] = ({ keyDigest }) =>
    Promise.resolve({ principal: this.principals.get(keyDigest) ?? null });

  admit: AuthPort['admit'] = (request) => {
    this.calls.push('admit');
    if (this.admission instanceof Error) return Promise.reject(this.admission);
    if (this.admission !== undefined) return Promise.resolve(this.admission);
    const limits = { requests: LIMIT, tokens: { ...LIMIT, limit: 500_000 } };
    return Promise.resolve({
      outcome: 'granted',
      hold: holdFor(request),
      lowered: false,
      limits,
      leaseMs: this.leaseMs,
    });
  };

  settle: AuthPort['settle'] = (request) => {
    this.onSettle(request);
    if (this.settleFailures > 0) {
      this.settleFailures -= 1;
      return Promise.reject(this.settleFailure);
    }
    this.settlements.push(request);
    const usage = request.usage ?? {
      prompt: 1,
      cachedPrompt: 0,
      completion: request.deliveredTokens,
      reasoning: 0,
    };
    const flags = request.usage === null ? ['estimated'] : [];
    const limits = this.limitsAfter;
    return Promise.resolve({ cost: 5_200n, usage, flags, ...(limits === undefined ? {} : { limits }) });
  };

  renew: AuthPort['renew'] = ({ deliveredTokens }) => {
    this.renewals.push({ deliveredTokens });
    if (this.renewal === 'away') return Promise.reject(new Error('auth is away'));
    return Promise.resolve(
      this.renewal === 'renewed' ? { outcome: 'renewed', leaseMs: this.leaseMs } : { outcome: 'settled' },
    );
  };

  void: AuthPort['void'] = ({ requestId, giveBackRequest }) => {
    this.voids.push({ requestId, giveBackRequest });
    return Promise.resolve({});
  };

  inspect: AuthPort['inspect'] = ({ countedAs }) => {
    this.inspections.push({ countedAs });
    return this.inspection instanceof Error
      ? Promise.reject(this.inspection)
      : Promise.resolve(this.inspection);
  };

  findUsage: AuthPort['findUsage'] = () => Promise.resolve({ event: null });

  findIdempotent: AuthPort['findIdempotent'] = () => {
    this.calls.push('find');
    return Promise.resolve(this.found);
  };

  beginIdempotent: AuthPort['beginIdempotent'] = () => {
    this.calls.push('begin');
    return this.idempotent instanceof Error
      ? Promise.reject(this.idempotent)
      : Promise.resolve(this.idempotent);
  };

  endIdempotent: AuthPort['endIdempotent'] = ({ end }) => {
    this.ends.push(end);
    return this.endFailure === undefined
      ? Promise.resolve({ owned: this.owned })
      : Promise.reject(this.endFailure);
  };

  publish: AuthPort['publish'] = () => Promise.resolve({});
  refresh: AuthPort['refresh'] = () => Promise.resolve({});
  catalog: AuthPort['catalog'] = () => Promise.resolve({ snapshot: null });
}

const holdFor = (request: AdmitRequest): Hold => ({
  requestId: request.requestId,
  accountId: request.accountId,
  keyId: request.keyId,
  model: request.model,
  operation: request.operation,
  stream: request.stream,
  catalogVersion: request.catalogVersion,
  completions: request.completions,
  promptLikely: request.promptLikely,
  promptBound: request.promptBound,
  ceiling: request.ceiling ?? 4_096,
  amount: 1_000_000n,
  windowTokens: 100,
  admittedAtMs: 1_700_000_000_000,
});
