import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@tunan/testing';
import { request, rightChat, type Actors } from './hostile-case.js';
import { startHostileRig, type HostileRig } from './hostile-rig.js';
import { exchange, type RawAnswer } from './raw-http.js';

const CLIENTS = 4;
const REQUESTS = 200;
/** Each takes tens of milliseconds to judge: half a second at once is less than this, and so is a twentieth of the run's time. */
const JUDGED_MAX = REQUESTS / 2;

const withMembers = (count: number, body: object): string =>
  JSON.stringify({ ...body, ...Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 0])) });

interface Attack {
  readonly key: (actors: Actors) => string;
  readonly body: string;
  /** What such a request is told that is judged. */
  readonly status: number;
}

const ATTACKS: readonly (readonly [string, Attack])[] = [
  ['are malformed', { key: ({ key }) => key, body: withMembers(99_000, {}), status: 400 }],
  [
    'are not admitted',
    {
      key: ({ poorKey }) => poorKey,
      body: withMembers(90_000, { ...rightChat, max_tokens: 8_000 }),
      status: 402,
    },
  ],
];

describe('a key that works and sends bodies that are dear to parse', () => {
  let rig: HostileRig;

  beforeAll(async () => {
    rig = await startHostileRig();
  }, 180_000);

  afterAll(async () => {
    expect(await rig.stop()).toBe(0);
  }, 60_000);

  const ask = async (key: string, body: string): Promise<RawAnswer> =>
    (await exchange(rig.port, [request({ key, body })])).answers[0]!;

  // Guarantee: what is beyond a limit, or is no request, costs its account's time, and little of that of others.
  it.each(ATTACKS)(
    'that %s is refused unread, its small requests and those of others are judged',
    async (_, { key, body, status }) => {
      const attacker = key(rig.actors);
      const counts = new Map<number, number>();
      let left = REQUESTS;
      const client = async (): Promise<void> => {
        while (left-- > 0) {
          const answer = await ask(attacker, body);
          counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
          if (answer.status === 429) expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
        }
      };
      await Promise.all(Array.from({ length: CLIENTS }, client));
      expect([...counts.keys()].sort()).toEqual([status, 429].sort());
      expect(counts.get(status)).toBeLessThan(JUDGED_MAX);
      const small = JSON.stringify({ ...rightChat, max_tokens: 8_000 });
      expect((await ask(attacker, small)).status).toBe(status === 400 ? 200 : 402);
      expect((await ask(rig.otherKey, body)).status).toBe(status === 400 ? 400 : 200);
      await eventually(
        'large ones are judged again',
        async () => (await ask(attacker, body)).status === status,
      );
      await eventually('every hold has ended', async () => (await rig.holds()) === 0);
      await rig.alive();
    },
    240_000,
  );
});
