import { Agent } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Fault } from '@tunan/kernel';
import { eventually } from '@tunan/testing';
import { CONTENT, InferenceRig } from '../testing/inference-rig.js';

const connectionsOf = ({ sockets, freeSockets }: Agent): number =>
  [...Object.values(sockets), ...Object.values(freeSockets)].flat().length;

describe('the connection of a stream', () => {
  let rig: InferenceRig;
  let agent: Agent;

  beforeEach(async () => {
    rig = new InferenceRig();
    rig.facts = { stream: true };
    agent = new Agent({ keepAlive: true });
    await rig.start();
  });
  afterEach(async () => {
    agent.destroy();
    await rig.stop();
  });

  it('ends after the error event of an answer that broke', async () => {
    const client = rig.call(agent);
    await rig.router.called;
    const sink = await rig.router.stream();
    sink.frames(CONTENT, 1);
    sink.fail(new Fault('upstream_stream_cut', 'The answer was cut off.'));
    await client.answered;
    expect(client.seen.text).toMatch(/data: \{"error":.*\}\n\n$/);
    expect(client.seen.headers.connection).toBe('keep-alive');
    await eventually('the connection has ended', () => connectionsOf(agent) === 0, 3_000);
  });

  it('is used again after an answer that is whole', async () => {
    const client = rig.call(agent);
    await rig.router.called;
    const sink = await rig.router.stream();
    sink.frames(CONTENT, 1);
    sink.end();
    await client.answered;
    expect(client.seen.text).toMatch(/data: \[DONE\]\n\n$/);
    await eventually('it is free', () => Object.values(agent.freeSockets).flat().length === 1);
    const { socket } = rig.answer.req;
    rig.call(agent);
    await eventually(
      'another answer has begun',
      () => rig.answer.req.socket === socket && !rig.answer.writableEnded,
    );
  });
});
