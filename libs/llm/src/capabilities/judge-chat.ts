import type { ChatRequest } from '@tunan/contracts';
import { usedParameters } from './parameters.js';
import { sentValue, type Treatment } from './treatment.js';
import type { Capabilities } from './upstream-models.js';

/** What becomes of a request's parameters on one upstream model. */
export interface Judgement {
  /** The first member that the model refuses. */
  readonly refused: string | undefined;
  /**
   * Members that are not sent as they were given, as `name=value` or `name=ignored`, and at last `and 7 more`: all
   * that are documented, and of others what fits. Together less than 2 KiB, and fit for a header.
   */
  readonly adapted: readonly string[];
  /** The first of them. */
  readonly firstAdapted: string | undefined;
}

const UNCHANGED: Judgement = { refused: undefined, adapted: [], firstAdapted: undefined };
/**
 * Members that nobody documents are a client's invention, and a header must not grow with them: beyond 16 KiB no answer
 * could be read any more. Counted as encoded, which makes nine bytes of a character.
 */
const UNKNOWN_BYTES_MAX = 1_024;
const MEMBER_CHARS_MAX = 64;

/**
 * Judges a validated request. A member that has the documented default, or none, is accepted whatever its class; one
 * that nobody documents is advisory and ignored.
 */
export const judgeChat = (capabilities: Capabilities, request: ChatRequest): Judgement => {
  const uses = usedParameters(request);
  if (uses.length === 0) return UNCHANGED;
  let refused: string | undefined;
  let firstAdapted: string | undefined;
  const adapted: string[] = [];
  const unknown: string[] = [];
  let unknownBytes = 0;
  let leftOut = 0;
  for (const { parameter, member, value } of uses) {
    const treatment = parameter === undefined ? undefined : capabilities[parameter];
    if (treatment?.class === 'refused') refused ??= member;
    const note = treatment === undefined ? 'ignored' : adaptationOf(treatment, value);
    if (note === undefined) continue;
    firstAdapted ??= member;
    if (parameter !== undefined) {
      adapted.push(`${member}=${note}`);
      continue;
    }
    if (unknownBytes < UNKNOWN_BYTES_MAX) {
      const named = `${encodeURIComponent(member.slice(0, MEMBER_CHARS_MAX).toWellFormed())}=${note}`;
      unknownBytes += named.length;
      if (unknownBytes < UNKNOWN_BYTES_MAX) unknown.push(named);
    }
    if (unknownBytes >= UNKNOWN_BYTES_MAX) leftOut += 1;
  }
  adapted.push(...unknown);
  if (leftOut > 0) adapted.push(`and ${leftOut} more`);
  return { refused, adapted, firstAdapted };
};

const adaptationOf = (treatment: Treatment, value: unknown): string | undefined => {
  if (treatment.class !== 'advisory') return undefined;
  const sent = sentValue(treatment, value);
  if (sent === value) return undefined;
  return sent === undefined ? 'ignored' : shown(sent);
};

/** Numbers as decimals: `1.0`, as they are in other languages. */
const shown = (value: unknown): string =>
  typeof value === 'number' && Number.isInteger(value) ? value.toFixed(1) : String(value);
