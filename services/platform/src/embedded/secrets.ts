import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Secrets that mode embedded makes for itself, under their environment names. */
export type EmbeddedSecrets = Readonly<Record<'KEY_PEPPER' | 'OPERATOR_TOKEN' | 'INTERNAL_TOKEN', string>>;

/** Reads the secrets of a data folder; the first time they are made at random and kept there, readable by us alone. */
export const embeddedSecrets = (folder: string): EmbeddedSecrets => {
  const file = join(folder, 'secrets.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as EmbeddedSecrets;
  const secrets: EmbeddedSecrets = {
    KEY_PEPPER: `1:${randomBytes(32).toString('hex')}`,
    OPERATOR_TOKEN: randomBytes(32).toString('hex'),
    INTERNAL_TOKEN: randomBytes(32).toString('hex'),
  };
  // Written beside and moved: a host killed here must not leave half a file.
  writeFileSync(`${file}.new`, JSON.stringify(secrets), { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return secrets;
};
