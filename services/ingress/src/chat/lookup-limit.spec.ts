import { describe, expect, it } from '@jest/globals';
import { TestClock } from '@tunan/kernel/testing';
import { LookupLimit, LOOKUPS_PER_MINUTE } from './lookup-limit.js';

describe('LookupLimit', () => {
  it('lets so many look-ups of an account a minute lead to nothing, then says when the next one may', () => {
    const clock = new TestClock();
    const limit = new LookupLimit(clock);
    for (let made = 0; made < LOOKUPS_PER_MINUTE; made += 1) limit.count('a');
    expect(() => limit.count('a')).toThrow(
      expect.objectContaining({ code: 'rate_limit_exceeded', retryAfterMs: expect.any(Number) }),
    );
    expect(() => limit.count('b')).not.toThrow();
    clock.advance(60_000);
    expect(() => limit.count('a')).not.toThrow();
  });

  it('has no limit for those whose requests set their mark', () => {
    const limit = new LookupLimit(new TestClock());
    for (let made = 0; made < 2 * LOOKUPS_PER_MINUTE; made += 1) limit.count('a')();
    expect(() => limit.count('a')).not.toThrow();
  });
});
