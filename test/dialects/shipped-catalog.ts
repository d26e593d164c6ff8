import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { catalog, CatalogIndex, type CatalogChannel } from '@tunan/contracts';
import { REPOSITORY } from '@tunan/testing';
import { parse } from 'yaml';

/** The catalog that an empty database is filled with. */
export const shippedCatalog = new CatalogIndex({
  version: 1,
  catalog: catalog.parse(parse(readFileSync(join(REPOSITORY, 'deploy/catalog.yaml'), 'utf8'))),
});

/** The channel that serves a model while nothing is wrong. */
export const primaryChannel = (model: string): CatalogChannel => shippedCatalog.channels(model)[0]!;
