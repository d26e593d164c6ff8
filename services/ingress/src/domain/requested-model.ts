import type { CatalogIndex, CatalogModel, Principal, ResolvedModel } from '@tunan/contracts';
import { modelNotAllowed } from './denial.js';
import { modelNotFound } from './model-not-found.js';
import { invalidValue, missing } from './parameter-faults.js';

/**
 * The model that a request asks for. It is settled before the rest of the body is judged, because what a key may not
 * use is refused whatever else is wrong.
 * @throws Fault 400 for a name that is none, 404 for a model that does not exist or is of another kind, 403 for one
 * that the key's allow-list leaves out
 */
export const requestedModel = (
  name: unknown,
  kind: CatalogModel['kind'],
  principal: Principal,
  catalog: CatalogIndex,
): ResolvedModel => {
  if (name === undefined || name === null) throw missing('model');
  if (typeof name !== 'string' || name === '')
    throw invalidValue('model', "'model' must be a non-empty string.");
  const resolved = catalog.resolve(name, principal.aliases);
  if (resolved === undefined || resolved.model.kind !== kind)
    throw modelNotFound(name, kind, principal, catalog);
  const { id } = resolved.model;
  if (principal.models !== null && !principal.models.includes(id)) throw modelNotAllowed(id);
  return resolved;
};
