import type { Request } from './reference-records.js';

/** What the reference store knows of the batch that is made, until its commit is over. */
export class ReferenceBatch {
  /** How long the commit takes: the operations of the batch were made before it. */
  commitMs = 0;
  /** Requests whose settlement may still be unmade, and when it lapses. */
  readonly lapsing = new Map<string, number>();

  begin(commitMs: number): void {
    this.commitMs = commitMs;
    this.lapsing.clear();
  }

  /** What lapsed in the commit is not charged. @returns the requests */
  end({ requests, nowMs }: { readonly requests: Map<string, Request>; readonly nowMs: number }): Set<string> {
    const overMs = nowMs + this.commitMs;
    this.commitMs = 0;
    const lapsed = [...this.lapsing.keys()].filter((requestId) => this.lapsing.get(requestId)! <= overMs);
    this.lapsing.clear();
    for (const requestId of lapsed) {
      const request = requests.get(requestId)!;
      const flags = request.charge!.flags.filter((flag) => flag !== 'overrun');
      request.charge = { cost: 0n, usage: request.charge!.usage, flags: [...flags, 'uncharged'] };
      request.pending = false;
      request.countedTokens = 0;
    }
    return new Set(lapsed);
  }
}
