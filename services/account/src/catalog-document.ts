import { catalog, type CatalogWire } from '@tunan/contracts';
import { parse } from 'yaml';
import { z } from 'zod';

const PROBLEMS_SHOWN = 10;
/** YAML can name a node again and again; a catalog does not. */
const ALIASES_MAX = 0;

/** A text that is no catalog: every problem, one line. */
export class CatalogDocumentError extends Error {
  override readonly name = 'CatalogDocumentError';
}

/**
 * Reads the text of a catalog file, YAML or JSON, and writes every default out, so that the stored snapshot means the
 * same to every later version.
 * @throws CatalogDocumentError
 */
export const parseCatalog = (text: string): CatalogWire => {
  let document: unknown;
  try {
    document = parse(text, { maxAliasCount: ALIASES_MAX });
  } catch (error) {
    throw new CatalogDocumentError((error as Error).message.split('\n', 1)[0]);
  }
  const result = catalog.safeParse(document);
  if (result.success) return z.encode(catalog, result.data);
  const problems = result.error.issues
    .slice(0, PROBLEMS_SHOWN)
    .map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new CatalogDocumentError(problems.join('; '));
};
