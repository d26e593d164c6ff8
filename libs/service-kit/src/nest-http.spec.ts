import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Body, Controller, Get, Param, Post } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Fault, SystemClock } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import { pino } from 'pino';
import { z } from 'zod';
import { createNestHttp, type NestHttp } from './nest-http.js';
import { serviceModule } from './nest-service.js';

const order = z.strictObject({
  name: z.string(),
  lines: z.array(z.strictObject({ count: z.int().min(1) })).max(3),
});

let release: () => void = () => undefined;

@Controller('things')
class ThingsController {
  @Get('slow')
  async slow(): Promise<object> {
    await new Promise<void>((resolve) => (release = resolve));
    return { slow: true };
  }

  @Post()
  create(@Body({ schema: order }) body: z.output<typeof order>): object {
    return { name: body.name, lines: body.lines.length };
  }

  @Get(':id')
  get(@Param('id') id: string): object {
    if (id === 'limited') throw new Fault('rate_limit_exceeded', 'Slow down.', { retryAfterMs: 1_500 });
    if (id === 'broken') throw new Error('password=hunter2');
    return { id };
  }
}

describe('createNestHttp', () => {
  const lines: string[] = [];
  let http: NestHttp;
  let server: Server;
  let url: string;

  beforeAll(async () => {
    const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
    http = await createNestHttp(
      { ...serviceModule([]), controllers: [ThingsController] },
      { logger, clock: new SystemClock() },
      {
        authorize: (request) => {
          if (request.headers.authorization !== 'Bearer right')
            throw new Fault('invalid_api_key', 'Wrong token.');
        },
      },
    );
    server = createServer((request, response) => http.handle(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await http.app.close();
  });

  const call = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${url}${path}`, {
      ...init,
      headers: {
        authorization: 'Bearer right',
        'content-type': 'application/json',
        ...(init.headers as object),
      },
    });
    return {
      status: response.status,
      headers: response.headers,
      body: (await response.json()) as { error?: Record<string, unknown> },
    };
  };
  const post = (body: string | Uint8Array<ArrayBuffer>, headers = {}) =>
    call('/things', { method: 'POST', body, headers });

  it('answers a valid call and gives every answer its own request id', async () => {
    const first = await post('{"name":"a","lines":[{"count":1}]}');
    const second = await call('/things/7');
    expect([first.status, first.body]).toEqual([201, { name: 'a', lines: 1 }]);
    expect([second.status, second.body]).toEqual([200, { id: '7' }]);
    expect(first.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(second.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'));
  });

  // Guarantee: whatever is wrong with a body, the answer is the error object with all four members and names the member.
  it.each([
    ['not JSON', '{"name":', 400, 'invalid_json', null],
    ['bytes that are not UTF-8', new Uint8Array([0x22, 0xff, 0x22]), 400, 'invalid_json', null],
    ['no object', '[]', 400, 'invalid_value', null],
    ['a missing member', '{"lines":[]}', 400, 'missing_required_parameter', 'name'],
    [
      'a nested value out of range',
      '{"name":"a","lines":[{"count":0}]}',
      400,
      'invalid_value',
      'lines[0].count',
    ],
    ['a string for a number', '{"name":"a","lines":[{"count":"1"}]}', 400, 'invalid_value', 'lines[0].count'],
    ['an unknown member', '{"name":"a","lines":[],"role":"admin"}', 400, 'unsupported_parameter', 'role'],
    ['more than 1 MiB', `{"name":"${'x'.repeat(1024 * 1024)}"}`, 413, 'request_too_large', null],
  ])('refuses %s', async (_name, body, status, code, param) => {
    const answer = await post(body);
    expect(answer.status).toBe(status);
    expect(answer.body.error).toEqual({
      message: expect.any(String),
      type: 'invalid_request_error',
      param,
      code,
    });
    expect(answer.headers.get('x-request-id')).not.toBeNull();
  });

  it('refuses other content types, unknown paths and malformed URLs', async () => {
    const text = await post('hello', { 'content-type': 'text/plain' });
    const unknown = await call('/nowhere?token=secret');
    const malformed = await call('/things/%zz');
    expect([text.status, text.body.error?.['code']]).toEqual([415, 'unsupported_media_type']);
    expect([unknown.status, unknown.body.error?.['message']]).toEqual([404, 'Invalid URL (GET /nowhere)']);
    expect([malformed.status, malformed.body.error?.['code']]).toEqual([400, 'invalid_value']);
  });

  it('keeps a fault as it is and hides what an unknown error says', async () => {
    const limited = await call('/things/limited');
    const broken = await call('/things/broken');
    expect([
      limited.status,
      limited.headers.get('retry-after'),
      limited.headers.get('retry-after-ms'),
    ]).toEqual([429, '2', '1500']);
    expect(broken.status).toBe(500);
    expect(JSON.stringify(broken.body)).not.toContain('hunter2');
    expect(
      lines.some(
        (line) =>
          line.includes('"fault":"internal_error"') && line.includes(broken.headers.get('x-request-id')!),
      ),
    ).toBe(true);
  });

  // Guarantee: who may not call is told so before the body is read, on paths that exist and on those that don't.
  it('refuses an unauthorized request before it reads the body', async () => {
    const big = 'x'.repeat(2 * 1024 * 1024);
    const known = await post(big, { authorization: 'Bearer wrong' });
    const unknown = await call('/nowhere', { headers: { authorization: '' } });
    expect([known.status, known.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    expect(unknown.status).toBe(401);
  });

  // Guarantee: an answer that is being made when the process stops is still given, and a stuck one does not hold it.
  it('drains: waits for running answers, not longer than told', async () => {
    const clock = new TestClock();
    const drained = await createNestHttp(
      { ...serviceModule([]), controllers: [ThingsController] },
      { logger: pino({ level: 'silent' }), clock },
    );
    const own = createServer((request, response) => drained.handle(request, response));
    await new Promise<void>((resolve) => own.listen(0, '127.0.0.1', resolve));
    const ask = () =>
      fetch(`http://127.0.0.1:${(own.address() as AddressInfo).port}/things/slow`, {
        headers: { connection: 'close' },
      });
    /** Sends a request and waits until its handler runs. */
    const begin = async (): Promise<{ answer: Promise<Response> }> => {
      const before = release;
      const answer = ask();
      while (release === before) await new Promise((resolve) => setImmediate(resolve));
      return { answer };
    };
    await drained.drain(5_000);
    const running = await begin();
    const waiting = drained.drain(5_000);
    release();
    await waiting;
    expect(await (await running.answer).json()).toEqual({ slow: true });

    const stuck = await begin();
    const bounded = drained.drain(5_000);
    clock.advance(5_000);
    await bounded;
    release();
    expect((await stuck.answer).status).toBe(200);
    await new Promise((resolve) => own.close(resolve));
    await drained.app.close();
  });
});
