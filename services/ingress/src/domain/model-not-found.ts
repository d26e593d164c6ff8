import type { CatalogIndex, CatalogModel, Principal } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';

const NAME_CHARS_SHOWN = 64;

/**
 * The 404 for a model: says so if it is of another kind; else names the nearest public id of the same kind that the key
 * may use, which is the target of an alias that the key may not use, or the one that is spelled most alike.
 */
export const modelNotFound = (
  name: string,
  kind: CatalogModel['kind'] | null,
  principal: Principal,
  catalog: CatalogIndex,
): Fault => {
  const shown = name.length > NAME_CHARS_SHOWN ? `${name.slice(0, NAME_CHARS_SHOWN)}…` : name;
  const allowed = catalog.catalog.models.filter(
    ({ id }) => principal.models === null || principal.models.includes(id),
  );
  const other = catalog.resolve(name, principal.aliases)?.model;
  if (kind !== null && other !== undefined && other.kind !== kind && allowed.includes(other))
    return notFound(`The model '${shown}' is of another kind: ${other.kind}, not ${kind}.`);
  const candidates = allowed.filter((model) => kind === null || model.kind === kind);
  const meant = catalog.resolve(name, true)?.model;
  const nearest = meant !== undefined && candidates.includes(meant) ? meant.id : nearestId(shown, candidates);
  const hint = nearest === undefined ? '' : ` The nearest id is '${nearest}'.`;
  return notFound(`The model '${shown}' does not exist or you do not have access to it.${hint}`);
};

const notFound = (message: string): Fault =>
  new Fault('model_not_found', `${message} GET /v1/models lists all models.`, { param: 'model' });

const nearestId = (name: string, models: readonly CatalogModel[]): string | undefined => {
  let best: { readonly id: string; readonly distance: number } | undefined;
  for (const { id } of models) {
    const distance = editDistance(name.toLowerCase(), id);
    if (best === undefined || distance < best.distance) best = { id, distance };
  }
  return best?.id;
};

/** Levenshtein distance. */
const editDistance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
};
