import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new, empty folder, and its removal. */
export const tempDir = (): { readonly path: string; remove(): void } => {
  const path = mkdtempSync(join(tmpdir(), 'tunan-test-'));
  // The embedded database may run as another user, who has to reach its own folder below this one.
  chmodSync(path, 0o755);
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
};
