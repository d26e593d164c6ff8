import { describe, expect, it } from '@jest/globals';
import { TestClock } from '@tunan/kernel/testing';
import { RefusedWork } from './refused-work.js';

describe('RefusedWork', () => {
  const start = () => {
    const clock = new TestClock();
    let cpuMs = 0;
    const refused = new RefusedWork(clock, () => cpuMs);
    const spend = (accountId: string, ms: number) => refused.measure(accountId, () => void (cpuMs += ms));
    return { clock, refused, spend };
  };

  it('keeps large bodies out once too much work was for nothing, and says for how long', () => {
    const { clock, refused, spend } = start();
    for (let sent = 0; sent < 5; sent += 1) spend('a', 100)();
    expect(() => refused.enter('a')).not.toThrow();
    spend('a', 100)();
    expect(() => refused.enter('a')).toThrow(
      expect.objectContaining({ code: 'rate_limit_exceeded', retryAfterMs: 2_000 }),
    );
    expect(() => refused.enter('b')).not.toThrow();
    clock.advance(1_999);
    expect(() => refused.enter('a')).toThrow();
    clock.advance(1);
    expect(() => refused.enter('a')).not.toThrow();
  });

  /** Guarantee: whoever sends again as soon as that is allowed takes a twentieth of the process's time, and no more. */
  it('leaves an account a twentieth of the time', () => {
    const { clock, refused, spend } = start();
    let spentMs = 0;
    for (let ms = 0; ms < 600_000; ms += 100) {
      try {
        refused.enter('a');
        spend('a', 30)();
        spentMs += 30;
      } catch (error) {
        expect(error).toMatchObject({ code: 'rate_limit_exceeded' });
      }
      clock.advance(100);
    }
    expect(spentMs).toBeGreaterThan(600_000 * 0.049);
    expect(spentMs).toBeLessThan(600_000 * 0.05 + 600);
  });

  it('keeps nobody out for longer than a minute, however much was for nothing', () => {
    const { clock, refused, spend } = start();
    spend('a', 60_000)();
    expect(() => refused.enter('a')).toThrow(expect.objectContaining({ retryAfterMs: 60_000 }));
    clock.advance(60_000);
    expect(() => refused.enter('a')).not.toThrow();
  });

  it('does not count what was of use', () => {
    const { refused, spend } = start();
    for (let sent = 0; sent < 100; sent += 1) spend('a', 1_000);
    expect(() => refused.enter('a')).not.toThrow();
  });
});
