import { fileURLToPath } from 'node:url';
import { configSchema, secret } from '@tunan/config';
import { parsePeppers } from '@tunan/kernel';
import { z } from 'zod';

/** The file of this repository; the path is the same from `src` and from `dist`. */
const CATALOG_FILE = fileURLToPath(new URL('../../../deploy/catalog.yaml', import.meta.url));

const isPepperList = (text: string): boolean => {
  try {
    return parsePeppers(text).length > 0;
  } catch {
    return false;
  }
};

export const accountConfig = configSchema({
  /** Bearer token of the operator API. */
  OPERATOR_TOKEN: secret(),
  /** Secrets that new keys are hashed with: `version:hex[,version:hex…]`, the current one first. */
  KEY_PEPPER: secret().refine(
    (value) => isPepperList(value.reveal()),
    'must be version:hex[,version:hex…] with 16 to 128 bytes each',
  ),
  /** Catalog that an empty database is filled with. */
  CATALOG_FILE: z.string().default(CATALOG_FILE),
});
