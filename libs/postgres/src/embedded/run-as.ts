import { constants } from 'node:fs';
import { access, chown, readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';

/** How the server's programs are started: PostgreSQL refuses to run as root. */
export interface RunAs {
  /** Set if this process is root: who the server runs as, and who owns its files. */
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
  /** A command that has to stand before the program, with its arguments. */
  readonly prefix: readonly string[];
}

/** Unprivileged users that systems have, in order of preference. None is ever created. */
const CANDIDATES = ['postgres', '_postgres', 'nobody'];

const SETPRIV_PATHS = ['/usr/bin/setpriv', '/bin/setpriv'];

/** Bits of the effective set in /proc/self/status (linux/capability.h). */
const CAPABILITIES = [
  { name: 'dac_read_search', bit: 2n },
  { name: 'dac_override', bit: 1n },
] as const;

/**
 * Decides as whom the server runs: as this process's own user, or, for root, as the owner of an existing data
 * folder, else as the first unprivileged user that the system has. `paths` are what that user must be able to reach.
 */
export const chooseRunAs = async (dataDir: string, paths: readonly string[]): Promise<RunAs> => {
  const owner = await ownerOf(dataDir);
  const uid = process.getuid?.();
  if (uid !== 0) {
    if (owner !== undefined && uid !== undefined && owner.uid !== uid)
      throw new EmbeddedPostgresError(
        `${dataDir} belongs to user id ${owner.uid}; start as that user or as root`,
      );
    return { user: undefined, prefix: [] };
  }
  // Root's own data folder is one that was copied or restored by hand: it is handed over below.
  const user = owner !== undefined && owner.uid !== 0 ? owner : await unprivilegedUser();
  if (owner?.uid === 0) await handOver(dataDir, user);
  return { user, prefix: await prefixToReach(paths, user) };
};

/** Gives a file, or a folder with everything in it, to the user that the server runs as. */
export const handOver = async (path: string, user: RunAs['user']): Promise<void> => {
  if (user === undefined) return;
  await chown(path, user.uid, user.gid);
  if (!(await stat(path)).isDirectory()) return;
  const entries = await readdir(path, { recursive: true });
  for (const entry of entries) await chown(join(path, entry), user.uid, user.gid);
};

const ownerOf = async (path: string): Promise<{ uid: number; gid: number } | undefined> => {
  try {
    const { uid, gid } = await stat(path);
    return { uid, gid };
  } catch {
    return undefined;
  }
};

const unprivilegedUser = async (): Promise<{ uid: number; gid: number }> => {
  const users = new Map<string, { uid: number; gid: number }>();
  for (const line of (await readFile('/etc/passwd', 'utf8')).split('\n')) {
    const [name, , uid, gid] = line.split(':');
    if (name !== undefined && Number(uid) > 0 && Number(gid) > 0)
      users.set(name, { uid: Number(uid), gid: Number(gid) });
  }
  for (const name of CANDIDATES) {
    const user = users.get(name);
    if (user !== undefined) return user;
  }
  throw new EmbeddedPostgresError(
    `PostgreSQL does not run as root and there is no user ${CANDIDATES.join(' or ')}; start as another user`,
  );
};

/**
 * A project under /root is closed to every other user. Rather than opening folders that are not ours, the server then
 * keeps one capability of root, to pass through folders; its files stay its own. `no_setuid_fixup` makes the
 * capability count in access(2) too, which PostgreSQL asks about its own program.
 */
const prefixToReach = async (
  paths: readonly string[],
  user: { uid: number; gid: number },
): Promise<readonly string[]> => {
  const closed = await firstClosedFolder(paths, user);
  if (closed === undefined) return [];
  const capability = await heldCapability();
  const setpriv = await firstExisting(SETPRIV_PATHS);
  if (capability === undefined || setpriv === undefined)
    throw new EmbeddedPostgresError(
      `PostgreSQL runs as user id ${user.uid}, which may not enter ${closed}; move the project, open that folder, or start as another user than root`,
    );
  return [
    setpriv,
    `--reuid=${user.uid}`,
    `--regid=${user.gid}`,
    '--clear-groups',
    '--securebits=+no_setuid_fixup',
    `--inh-caps=-all,+${capability}`,
    `--ambient-caps=-all,+${capability}`,
  ];
};

const firstClosedFolder = async (
  paths: readonly string[],
  user: { uid: number; gid: number },
): Promise<string | undefined> => {
  for (const path of paths) {
    for (let folder = path; folder !== dirname(folder); folder = dirname(folder)) {
      const { mode, uid, gid } = await stat(folder);
      const executeBit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
      if ((mode & executeBit) === 0) return folder;
    }
  }
  return undefined;
};

const heldCapability = async (): Promise<string | undefined> => {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const held = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return CAPABILITIES.find(({ bit }) => (held & (1n << bit)) !== 0n)?.name;
};

const firstExisting = async (paths: readonly string[]): Promise<string | undefined> => {
  for (const path of paths) {
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      continue;
    }
  }
  return undefined;
};
