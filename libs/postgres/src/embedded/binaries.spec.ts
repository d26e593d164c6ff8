import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { completeInstall, findBinaries } from './binaries.js';

describe('completeInstall', () => {
  let root: string;
  let native: string;
  let program: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'tunan-binaries-'));
    native = join(root, 'native');
    program = join(native, 'postgres');
    await mkdir(join(native, 'lib'), { recursive: true });
    await writeFile(join(native, 'lib', 'libx.so.1.2'), 'library');
    await writeFile(program, 'program', { mode: 0o700 });
    const links = ['libx.so', 'libx.so.1'].map((name) => ({
      source: 'native/lib/libx.so.1.2',
      target: `native/lib/${name}`,
    }));
    await writeFile(join(native, 'pg-symlinks.json'), JSON.stringify(links));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  // Guarantee: an installation without install scripts, or under a strict umask, works all the same.
  it('makes the links that no install script made, and programs that everyone may run, again and again', async () => {
    for (let times = 0; times < 2; times += 1) {
      await completeInstall(native, [program]);
      for (const name of ['libx.so', 'libx.so.1'])
        expect(await readFile(join(native, 'lib', name), 'utf8')).toBe('library');
      expect((await stat(program)).mode & 0o777).toBe(0o755);
      await rm(join(native, 'lib', 'libx.so'));
      await chmod(program, 0o700);
    }
  });

  it('says what is missing', async () => {
    await rm(program);
    await expect(completeInstall(native, [program])).rejects.toThrow(/not completely installed \(ENOENT/);
  });
});

describe('findBinaries', () => {
  it('finds a server for this machine', async () => {
    for (const program of Object.values(await findBinaries()))
      expect((await stat(program)).isFile()).toBe(true);
  });
});
