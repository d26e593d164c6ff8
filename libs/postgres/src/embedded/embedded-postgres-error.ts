/** Embedded PostgreSQL can't run. The message is one line and says what to do about it. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
}

/**
 * What the operating system calls an error (`EACCES`), or undefined. Looks at the shape only: errors of Node's own
 * modules are not instances of the `Error` of every realm.
 */
export const errnoCode = (error: unknown): string | undefined => {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
};
