import { eventually } from '@tunan/testing';
import type { Platform } from '../e2e/topology.js';

/** A call that reached the simulator, in its words. */
export interface UpstreamCall {
  readonly callId: string;
  readonly provider: string;
  readonly model: string;
  readonly stream: boolean;
  /** Every member of the body but the messages, as it was sent. */
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly conversation: {
    readonly roles: readonly string[];
    readonly images: number;
    readonly reasoned: number;
    readonly detailed: number;
  } | null;
  /** What the provider charges; null for errors, undefined while the call runs. */
  readonly billed:
    { readonly prompt: number; readonly cached: number; readonly completion: number } | null | undefined;
  /** How it ended; undefined while it runs. */
  readonly outcome: string | undefined;
  /** Place of its lines in the log: calls overlap where their places do. */
  readonly from: number;
  readonly to: number;
}

interface Entry {
  readonly seq: number;
  readonly event: string;
  readonly requestId: string;
  readonly provider: string;
  readonly model: string | null;
  readonly stream: boolean;
  readonly parameters: UpstreamCall['parameters'];
  readonly conversation: UpstreamCall['conversation'];
  readonly billed: UpstreamCall['billed'];
  readonly outcome?: string;
}

let nonces = 0;

/** A mark that no other request has. It goes into a directive of the prompt: `[[sim nonce=…]]`. */
export const newNonce = (): string => `dialects-${process.pid}-${(nonces += 1)}`;

/** The calls whose prompt carries a mark, in the order in which they came. */
export const upstreamCalls = async (platform: Platform, nonce: string): Promise<readonly UpstreamCall[]> => {
  const query = new URLSearchParams({ nonce, limit: '10000' });
  const answer = await fetch(`${platform.simulatorUrl}/control/log?${query}`);
  const { entries } = (await answer.json()) as { entries: readonly Entry[] };
  return entries
    .filter(({ event }) => event === 'accepted')
    .map((accepted) => {
      const ended = entries.find(
        ({ event, requestId }) => event === 'ended' && requestId === accepted.requestId,
      );
      return {
        callId: accepted.requestId,
        provider: accepted.provider,
        model: accepted.model ?? '',
        stream: accepted.stream,
        parameters: accepted.parameters,
        conversation: accepted.conversation,
        billed: ended?.billed,
        outcome: ended?.outcome,
        from: accepted.seq,
        to: ended?.seq ?? Infinity,
      };
    });
};

/** The same once there are `count` and all of them have ended. */
export const endedCalls = (
  platform: Platform,
  nonce: string,
  count: number,
): Promise<readonly UpstreamCall[]> =>
  eventually(`${count} ended calls with ${nonce}`, async () => {
    const calls = await upstreamCalls(platform, nonce);
    return calls.length >= count && calls.every(({ to }) => to < Infinity) && calls;
  });

/** Lays down a script; returns a function that removes it. */
export const script = async (
  platform: Platform,
  match: Readonly<Record<string, unknown>>,
  behaviour: Readonly<Record<string, unknown>>,
): Promise<() => Promise<void>> => {
  const url = `${platform.simulatorUrl}/control/scripts`;
  const added = await fetch(url, { method: 'POST', body: JSON.stringify({ match, behaviour }) });
  if (added.status !== 201) throw new Error(await added.text());
  const { id } = (await added.json()) as { id: string };
  return async () => void (await fetch(`${url}/${id}`, { method: 'DELETE' }));
};
