import { describe, expect, it } from '@jest/globals';
import { Health } from './health.js';

describe('Health', () => {
  it('is ready only when every dependency has been up, and names what is lacking', () => {
    const health = new Health();
    const postgres = health.dependency('postgres');
    const auth = health.dependency('auth');
    auth.down('connection refused');
    expect(health.ready).toBe(false);
    expect(health.lacking.map(({ name, detail }) => `${name}: ${detail}`)).toEqual([
      'auth: connection refused',
      'postgres: not reached yet',
    ]);
    postgres.up();
    auth.up();
    expect(health.ready).toBe(true);
  });

  it('stays ready when a dependency fails later, and shows it', () => {
    const health = new Health();
    const postgres = health.dependency('postgres');
    postgres.up();
    postgres.down('connection lost');
    expect(health.ready).toBe(true);
    expect(health.dependencies).toEqual([
      { name: 'postgres', up: false, detail: 'connection lost', seen: true },
    ]);
  });

  it('is not ready any more once it drains', () => {
    const health = new Health();
    health.startDraining();
    expect(health.ready).toBe(false);
  });
});
