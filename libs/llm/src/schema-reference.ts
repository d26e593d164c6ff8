/** What a local reference (`#/$defs/a`, `#anchor`, `#`) points to, decoded; undefined if it is none. */
export const fragmentOf = (reference: string): string | undefined => {
  if (!reference.startsWith('#')) return undefined;
  try {
    return decodeURIComponent(reference.slice(1));
  } catch {
    return undefined;
  }
};

/** The part of a schema at a JSON pointer (RFC 6901), itself at the empty one; undefined if there is none. */
export const schemaAt = (root: unknown, pointer: string): unknown => {
  if (pointer === '') return root;
  if (!pointer.startsWith('/')) return undefined;
  let target: unknown = root;
  for (const token of pointer.slice(1).split('/')) {
    const name = token.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof target !== 'object' || target === null || !Object.hasOwn(target, name)) return undefined;
    target = (target as Readonly<Record<string, unknown>>)[name];
  }
  return target;
};
