import { describe, expect, it } from '@jest/globals';
import { BehaviourError, readBehaviour } from './behaviour.js';
import { readDirectives } from './directive.js';
import { parseFault } from './injected-fault.js';

describe('readDirectives', () => {
  it('finds nothing in ordinary text', () => {
    expect(readDirectives('Please simulate [[ something ]]')).toBeUndefined();
  });

  it('reads members, quoted texts with escapes, and flags', () => {
    const text = 'Hi [[sim tokens=40 say="a \\"b\\" ]] 天\n" ignore_ceiling]] there';
    expect(readDirectives(text)).toEqual({ tokens: '40', say: 'a "b" ]] 天\n', ignore_ceiling: '' });
  });

  it('adds several directives up, the last one wins', () => {
    expect(readDirectives('[[sim tokens=1 nonce=a]] x [[sim tokens=2]]')).toEqual({
      tokens: '2',
      nonce: 'a',
    });
  });

  it('does not take a directive out of a quoted text', () => {
    expect(readDirectives('[[sim say="[[sim tokens=3]]"]]')).toEqual({ say: '[[sim tokens=3]]' });
  });

  it.each(['[[sim tokens=40', '[[sim TOKENS=4]]', '[[sim say="a]]'])('refuses %j', (text) => {
    expect(() => readDirectives(text)).toThrow(BehaviourError);
  });
});

describe('readBehaviour', () => {
  it('takes values as text and as JSON alike', () => {
    expect(readBehaviour({ tokens: '40', done: 'false', fault: 'cut:3' })).toEqual(
      readBehaviour({ tokens: 40, done: false, fault: 'cut:3:close' }),
    );
  });

  it.each([{ tokenz: 1 }, { tokens: -1 }, { tokens: 'many' }, { fault: 'explode' }, { chunk_tokens: 0 }])(
    'refuses %j and names the member',
    (raw) => {
      expect(() => readBehaviour(raw)).toThrow(BehaviourError);
    },
  );
});

describe('parseFault', () => {
  it.each([
    ['reset', { kind: 'reset' }],
    ['error:1113', { kind: 'error', code: '1113', status: undefined }],
    ['error:1008:402', { kind: 'error', code: '1008', status: 402 }],
    ['status:503', { kind: 'status', status: 503 }],
    ['cut_bytes:17:reset', { kind: 'cut', at: { unit: 'bytes', after: 17 }, way: 'reset' }],
    ['stall:2', { kind: 'stall', at: { unit: 'chunks', after: 2 } }],
    [
      'stream_error:1:sensitive',
      { kind: 'stream_error', at: { unit: 'chunks', after: 1 }, code: 'sensitive' },
    ],
  ])('reads %s', (text, fault) => {
    expect(parseFault(text)).toEqual(fault);
  });

  it.each([
    '',
    'toString',
    'cut',
    'cut:x',
    'cut:1:slowly',
    'status:99',
    'error',
    'reset:1:2:3',
    'flood:9999',
  ])('refuses %j', (text) => {
    expect(() => parseFault(text)).toThrow(RangeError);
  });
});
