import { afterEach, describe, it } from '@jest/globals';
import { SystemClock } from '@tunan/kernel';
import { eventually } from '@tunan/testing';
import { LoopDelay } from './loop-delay.js';

describe('LoopDelay', () => {
  const loopDelay = new LoopDelay(new SystemClock());
  afterEach(() => loopDelay.stop());

  it('sees an event loop that is late again and again, and sees it recover', async () => {
    loopDelay.start();
    const block = setInterval(() => {
      for (const endMs = performance.now() + 200; performance.now() < endMs;);
    }, 20);
    try {
      await eventually('the delay is seen', () => loopDelay.p99Ms > 100, 30_000);
    } finally {
      clearInterval(block);
    }
    await eventually('the recovery is seen', () => loopDelay.p99Ms < 100, 60_000);
  }, 120_000);
});
