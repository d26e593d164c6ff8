import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { uuidv7 } from '@tunan/kernel';
import type { FuzzInput } from './fuzz-input.js';
import { FuzzRun } from './fuzz-run.js';

const ERROR = JSON.stringify({
  error: { message: 'No.', type: 'invalid_request_error', param: null, code: 'invalid_json' },
});
const refusal = (): string =>
  `HTTP/1.1 400 Bad Request\r\nX-Request-Id: ${uuidv7(Date.now())}\r\n` +
  `Content-Type: application/json; charset=utf-8\r\nContent-Length: ${ERROR.length}\r\n\r\n${ERROR}`;

const ANSWER_MS_MAX = 2_000;

/** Inputs, of which one meets the server's defect. */
const inputs = (hit: Partial<FuzzInput> = {}): readonly FuzzInput[] =>
  Array.from({ length: 20 }, (_, index) => {
    const input: FuzzInput = { kind: 'members', whole: true, bytes: Buffer.from(`input ${index}`) };
    return index === 7 ? { ...input, bytes: Buffer.from('the one'), ...hit } : input;
  });

// Guarantee: a fuzz run that finds nothing could have found something.
describe('a fuzz run', () => {
  let server: Server | undefined;
  afterEach(() => void server?.close());

  /** Runs against a server that refuses everything as it should, but for one input. */
  const run = async (
    defect: (socket: Socket) => void,
    sent: readonly FuzzInput[] = inputs(),
  ): Promise<FuzzRun> => {
    const listening = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (bytes: Buffer) => {
        if (bytes.toString() === 'the one') defect(socket);
        else socket.write(refusal());
      });
    });
    server = listening;
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
    const fuzz = new FuzzRun((listening.address() as AddressInfo).port, ANSWER_MS_MAX);
    await fuzz.send(sent);
    return fuzz;
  };

  it('finds nothing wrong with a server that answers everything', async () => {
    const { failures, statuses, unanswered } = await run((socket) => socket.write(refusal()));
    expect([failures, [...statuses], [...unanswered]]).toEqual([[], [[400, 20]], []]);
  });

  it.each<[string, (socket: Socket) => void, RegExp]>([
    ['never answers a whole input', () => undefined, /no answer within 2000 ms/],
    ['never ends its answer', (socket) => socket.write(refusal().slice(0, -1)), /no answer within 2000 ms/],
    ['hangs up', (socket) => socket.destroy(), /ended without an answer/],
    ['has an error of its own', (socket) => socket.write(refusal().replace('400', '500')), /internal error/],
    [
      'answers in a form of its own',
      (socket) => socket.write(refusal().replace('"No."', 'null ')),
      /without a message/,
    ],
    ['names no request', (socket) => socket.write(refusal().replace('Request-Id', 'R')), /no request id/],
  ])('fails if a server %s, and shows the input', async (_what, defect, message) => {
    const { failures, statuses } = await run(defect);
    expect(failures).toHaveLength(1);
    expect(failures[0]).toMatch(/^input 7 \(members\): /);
    expect(failures[0]).toMatch(message);
    expect(failures[0]).toContain('sent "the one"');
    expect([...statuses]).toEqual([[400, 19]]);
  });

  it('leaves an input that may not be whole, and counts it', async () => {
    const { failures, unanswered } = await run(() => undefined, inputs({ kind: 'headers', whole: false }));
    expect([failures, [...unanswered]]).toEqual([[], [['headers', 1]]]);
  });
});
