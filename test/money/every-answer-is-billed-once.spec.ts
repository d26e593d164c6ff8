import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TOPOLOGIES, type Platform } from '../e2e/topology.js';
import { byNonce, readServedLog, wasAccepted, type ServedCall } from '../oracle/served-log.js';
import { judge, leftUndrained, type ClientRecord } from '../oracle/verdict.js';
import { eventually } from '@tunan/testing';
import { auditBooks, auditRating, readBooks, untilSettled, type Books } from './books.js';
import { callAsClient, inParallel, type Leaving } from './client-record.js';
import { isSound, KINDS, requestMix, type PlannedRequest } from './request-mix.js';
import { chooseSeed, SeededRandom } from './seeded-random.js';

/*
 * Every served answer is billed exactly once, at the price that its client was shown; what failed costs nothing; what
 * was cut or left costs what was delivered. Three witnesses who do not know each other: what the client saw, what the
 * simulator says it served, and the ledger. And pricing all usage again from its catalog snapshots reproduces the ledger.
 */

const REQUESTS = 1_000;
const AT_ONCE = 32;
const CREDIT_USD = '50';
/**
 * Of each kind of request so many must have ended as it was meant, or the run proves too little: where nothing fails
 * nearly all, and of those that fail themselves, which open breakers for one another, half.
 */
const MEANT_SHARE = { sound: 0.95, failing: 0.5 };

const MEANT: Readonly<Record<keyof typeof KINDS, ClientRecord['ending']>> = {
  stream: 'completed',
  unary: 'completed',
  embeddings: 'completed',
  'several completions': 'completed',
  'stream, client leaves': 'aborted',
  'stream, client leaves before content': 'aborted',
  'stream, client leaves, then it fails before content': 'aborted',
  'unary, client leaves': 'aborted',
  'stream, fails after content': 'broken',
  'fails before content': 'error',
  'fails before content, then succeeds': 'completed',
  'completes, usage is odd': 'completed',
  'completes, usage is impossible': 'completed',
};

describe.each(TOPOLOGIES)('every answer is billed once: %s', (_name, start) => {
  let platform: Platform;

  beforeAll(async () => {
    platform = await start();
  }, 180_000);

  afterAll(async () => {
    await platform.stop();
  }, 120_000);

  const script = async (nonce: string, behaviour: Readonly<Record<string, unknown>>): Promise<void> => {
    const answer = await fetch(`${platform.simulatorUrl}/control/scripts`, {
      method: 'POST',
      body: JSON.stringify({ match: { nonce, times: 1 }, behaviour }),
    });
    expect(answer.status).toBe(201);
  };

  const send = async (apiKey: string, request: PlannedRequest): Promise<ClientRecord> => {
    const { nonce, path, body, leaves, first } = request;
    if (first !== undefined) await script(nonce, first);
    const accepted = async (ended: AbortSignal): Promise<boolean> => {
      await eventually(
        `${nonce} is accepted`,
        async () => ended.aborted || (await wasAccepted(platform.simulatorUrl, nonce)),
        60_000,
      );
      return !ended.aborted;
    };
    const leaving: Leaving | undefined =
      leaves === undefined ? undefined : leaves === 'waiting' ? { when: accepted } : { afterFrames: leaves };
    return callAsClient({ apiUrl: platform.apiUrl, apiKey, nonce, path, body, leaving });
  };

  it(`in a mix of ${REQUESTS} requests`, async () => {
    const seed = chooseSeed();
    const mix = requestMix(REQUESTS, new SeededRandom(seed));
    const { accountId, apiKey } = await platform.cli<{ accountId: string; apiKey: string }>(
      ...['account', 'create', '--email', `mix-${seed}@example.com`, '--credit', CREDIT_USD],
      ...['--rpm', '1000000', '--tpm', '1000000000', '--concurrency', '1000'],
    );
    const records = await inParallel(
      AT_ONCE,
      mix.map((request) => () => send(apiKey, request)),
    );
    await untilSettled(platform);
    const calls = byNonce(await readServedLog(platform.simulatorUrl));
    const books = await readBooks(platform, accountId);
    const problems = [
      ...auditBooks(books),
      ...auditRequests(mix, records, calls, books),
      ...auditMix(mix, records),
      ...(await auditRating(platform, accountId, books)),
    ];
    if (problems.length > 0)
      throw new Error(
        `with MONEY_SEED=${seed}, ${problems.length} problems:\n${problems.slice(0, 40).join('\n')}`,
      );
  }, 600_000);
});

/** Every charge that is not the one that its request must have. */
const auditRequests = (
  mix: readonly PlannedRequest[],
  records: readonly ClientRecord[],
  calls: ReadonlyMap<string, readonly ServedCall[]>,
  { rows }: Books,
): string[] => {
  const problems: string[] = [];
  const charges = Map.groupBy(
    rows.filter(({ requestId }) => requestId !== null),
    ({ requestId }) => requestId!,
  );
  records.forEach((record, index) => {
    const served = calls.get(record.nonce) ?? [];
    const requestId = record.requestId ?? served[0]?.requestId;
    const own = requestId === undefined ? [] : (charges.get(requestId) ?? []);
    if (requestId !== undefined) charges.delete(requestId);
    const what = `${record.nonce} (${mix[index]!.kind}, ${record.model}, ${record.ending}, ${requestId})`;
    if (own.length > 1) problems.push(`${what}: ${own.length} rows`);
    if (served.some((call) => call.requestId !== requestId))
      problems.push(`${what}: served as another request`);
    const charged = -(own[0]?.amount ?? 0n);
    const { least, most, rule } = judge(record, served);
    if (charged < least || charged > most)
      problems.push(`${what}: charged ${charged}, not ${least}..${most}: ${rule}; ${JSON.stringify(served)}`);
    // No answer of the mix takes longer than its drain may.
    const undrained = leftUndrained(record, served);
    if (undrained.length > 0) problems.push(`${what}: not drained: ${JSON.stringify(undrained)}`);
    if (record.cost !== null && record.cost !== charged)
      problems.push(`${what}: charged ${charged}, shown ${record.cost}`);
    if (record.ending === 'completed' && record.cost === null && showsCost(mix[index]!))
      problems.push(`${what}: no cost was shown`);
  });
  for (const [requestId, [row]] of charges)
    problems.push(`charged without a request: ${requestId} ${row!.amount}`);
  return problems;
};

/** Unary answers show their cost, streams where they were asked to. */
const showsCost = ({ body }: PlannedRequest): boolean =>
  body['stream'] !== true || body['stream_options'] !== undefined;

/** A mix that did not become what it was meant to be proves nothing. */
const auditMix = (mix: readonly PlannedRequest[], records: readonly ClientRecord[]): string[] =>
  (Object.keys(KINDS) as (keyof typeof KINDS)[]).flatMap((kind) => {
    const own = records.filter((_, index) => mix[index]!.kind === kind);
    const sound = own.filter(({ model }) => isSound(model));
    const [counting, share] = sound.length > 0 ? [sound, MEANT_SHARE.sound] : [own, MEANT_SHARE.failing];
    const endings = counting.map(({ ending }) => ending);
    const meant = endings.filter((ending) => ending === MEANT[kind]).length;
    if (meant >= endings.length * share) return [];
    return [`${kind}: only ${meant} of ${endings.length} were ${MEANT[kind]}: ${endings.join(', ')}`];
  });
