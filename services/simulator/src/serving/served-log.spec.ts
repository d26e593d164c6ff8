import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestClock } from '@tunan/kernel/testing';
import type { DraftEntry } from '../domain/served-entry.js';
import { LogFile } from './log-file.js';
import { ServedLog } from './served-log.js';

const draft = (nonce: string | null, requestId = 'r'): DraftEntry => ({
  event: 'undelivered',
  requestId,
  provider: 'glm',
  operation: 'chat',
  nonce,
});
const page = (log: ServedLog, after = 0, nonce?: string, limit = 100) => {
  const { lines, ...rest } = log.read({ after, nonce, limit });
  return { seqs: lines.map((line) => (JSON.parse(line) as { seq: number }).seq), ...rest };
};

describe('ServedLog', () => {
  it('pages through entries, of one nonce or all', () => {
    const log = new ServedLog(new TestClock(), undefined, 1_000);
    for (let i = 0; i < 10; i += 1) log.append(draft(i % 2 === 0 ? 'even' : null));
    expect(page(log, 0, undefined, 4)).toEqual({ seqs: [1, 2, 3, 4], next: 4, oldest: 1 });
    expect(page(log, 4, 'even')).toEqual({ seqs: [5, 7, 9], next: 10, oldest: 1 });
    expect(page(log, 10)).toEqual({ seqs: [], next: 10, oldest: 1 });
    expect(page(log, 99)).toEqual({ seqs: [], next: 99, oldest: 1 });
  });

  it('forgets the oldest entries beyond its bound and says which it still has', () => {
    const log = new ServedLog(new TestClock(), undefined, 100);
    for (let i = 0; i < 5_000; i += 1) log.append(draft(null));
    expect(page(log, 0, undefined, 2)).toEqual({ seqs: [4_901, 4_902], next: 4_902, oldest: 4_901 });
    expect(page(log, 4_999)).toEqual({ seqs: [5_000], next: 5_000, oldest: 4_901 });
  });
});

describe('LogFile', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'simulator-file-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('has every line on return and puts a full file aside', () => {
    const file = new LogFile(folder, 100);
    file.append(`{"seq":1,"a":"${'x'.repeat(40)}"}\n`);
    expect(readFileSync(join(folder, 'served.jsonl'), 'utf8')).toMatch(/^\{"seq":1,.*\}\n$/);
    file.append(`{"seq":2,"a":"${'x'.repeat(40)}"}\n`);
    expect(readFileSync(join(folder, 'served.1.jsonl'), 'utf8').split('\n')).toHaveLength(3);
    expect(readFileSync(join(folder, 'served.jsonl'), 'utf8')).toBe('');
    file.close();
    expect(existsSync(folder)).toBe(true);
  });

  it('finds the number of its last line again', () => {
    const first = new LogFile(folder, 1_000_000);
    expect(first.lastSeq).toBe(0);
    for (const seq of [1, 2, 3]) first.append(`{"seq":${seq},"event":"ended"}\n`);
    first.close();
    const second = new LogFile(folder, 1_000_000);
    expect(second.lastSeq).toBe(3);
    second.close();
  });

  it('does not stop the log in memory when the disk refuses', () => {
    const file = new LogFile(folder, 1_000_000);
    const log = new ServedLog(new TestClock(), file, 100);
    log.append(draft(null));
    log.sync();
    file.close();
    log.append(draft(null));
    log.sync();
    expect([page(log).seqs, log.fileError]).toEqual([[1, 2], 'the log file is closed']);
  });
});
