import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@tunan/testing';
import { FRAMING } from './corpus/framing.js';
import { JSON_BODIES } from './corpus/json-bodies.js';
import { KEYS } from './corpus/keys.js';
import { PARAMETERS } from './corpus/parameters.js';
import { request, rightChat, type Actors } from './hostile-case.js';
import { startHostileRig, type HostileRig } from './hostile-rig.js';

const SLICE = 16;
/** An answer that does not come is left as well. */
const LEAVE_AFTER_MS = 10_000;

type Send = (actors: Actors) => readonly (string | Buffer)[];

const chat = (members: object): Send => {
  const body = JSON.stringify({ ...rightChat, ...members });
  return ({ key }) => [request({ key, body })];
};
const say = (directive: string) => ({ messages: [{ role: 'user', content: directive }] });

/** What is said while the client leaves: every known bad input, and answers of each form. */
const INPUTS: readonly Send[] = [
  ...[FRAMING, KEYS, PARAMETERS, JSON_BODIES].flat().map(({ send }) => send),
  () => ['CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'],
  () => ['GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\nCONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'],
  ({ key }) => [
    request({ key, method: 'CONNECT', path: 'a:1', lines: 'Upgrade: h2c\r\nConnection: Upgrade\r\n' }),
  ],
  ({ key }) => [request({ key, lines: 'Expect: 100-continue\r\nContent-Length: 10\r\n' })],
  chat({}),
  chat({ stream: true }),
  chat(say('[[sim first_delay_ms=300]]')),
  chat({ stream: true, ...say('[[sim first_delay_ms=300]]') }),
];

/** When the connection is reset: after this share of the bytes was written, or with the first bytes of the answer. */
const MOMENTS = [0, 0.5, 1, 'answer'] as const;

/** Sends what is given, and resets the connection at a moment of it. Resolves when it has ended. */
const reset = (
  port: number,
  parts: readonly (string | Buffer)[],
  moment: (typeof MOMENTS)[number],
): Promise<void> =>
  new Promise((resolve) => {
    const bytes = Buffer.concat(
      parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)),
    );
    const socket = connect(port, '127.0.0.1');
    const leave = (): void => void socket.resetAndDestroy();
    const timer = setTimeout(leave, LEAVE_AFTER_MS);
    socket.on('error', () => undefined);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.once('data', leave);
    const sent = moment === 'answer' ? bytes : bytes.subarray(0, Math.floor(bytes.length * moment));
    socket.write(sent, () => {
      if (moment !== 'answer') leave();
    });
  });

describe('clients that reset their connections', () => {
  let rig: HostileRig;

  beforeAll(async () => {
    rig = await startHostileRig();
  }, 180_000);

  afterAll(async () => {
    expect(await rig.stop()).toBe(0);
  }, 60_000);

  // Guarantee: whatever a client has sent, and however much of it, its reset ends nothing but its connection.
  it('at any moment of anything end neither the process nor anybody else’s request, and leave no hold', async () => {
    for (let from = 0; from < INPUTS.length; from += SLICE) {
      const sends = INPUTS.slice(from, from + SLICE);
      await Promise.all(
        sends.flatMap((send) => MOMENTS.map((moment) => reset(rig.port, send(rig.actors), moment))),
      );
      await rig.alive();
    }
    await eventually('every hold has ended', async () => (await rig.holds()) === 0, 60_000);
    expect(rig.host.printed).not.toContain('"level":50');
  }, 300_000);
});
