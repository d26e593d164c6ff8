/** The first items of a long list, without a look at the others. */
export const firstOf = <T>(items: Iterable<T>, limit: number): T[] => {
  const first: T[] = [];
  for (const item of items) {
    if (first.length >= limit) break;
    first.push(item);
  }
  return first;
};
