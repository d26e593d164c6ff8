import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { DataDirError } from '../data-dir.js';

/** Secrets that mode embedded makes for itself, under their environment names. */
export type EmbeddedSecrets = Readonly<Record<'KEY_PEPPER' | 'OPERATOR_TOKEN' | 'INTERNAL_TOKEN', string>>;

const kept = z.object({
  KEY_PEPPER: z.string().min(1),
  OPERATOR_TOKEN: z.string().min(1),
  INTERNAL_TOKEN: z.string().min(1),
});

/**
 * Reads the secrets of a data folder; the first time they are made at random and kept there, readable by us alone.
 * @throws DataDirError if the file is damaged: new ones would make every key in the database worthless
 */
export const embeddedSecrets = (folder: string): EmbeddedSecrets => {
  const file = join(folder, 'secrets.json');
  if (existsSync(file)) return readSecrets(file);
  const secrets: EmbeddedSecrets = {
    KEY_PEPPER: `1:${randomBytes(32).toString('hex')}`,
    OPERATOR_TOKEN: randomBytes(32).toString('hex'),
    INTERNAL_TOKEN: randomBytes(32).toString('hex'),
  };
  // Written beside and moved: a host killed here must not leave half a file.
  writeFileSync(`${file}.new`, JSON.stringify(secrets), { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
  return secrets;
};

const readSecrets = (file: string): EmbeddedSecrets => {
  try {
    return kept.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    throw new DataDirError(`${file} is damaged; without its secrets no key in this data folder works`);
  }
};
