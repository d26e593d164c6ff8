import type { Exchange } from '@tunan/contracts';

/**
 * Runs `work` for every item, at most `atOnce` together, each with an exchange that ends with the client or with the
 * first failure: one failed part fails the whole, and the others must not go on costing.
 * @returns results in the order of the items
 * @throws what the first failing part threw
 */
export const mapBounded = async <Item, Result>(
  items: readonly Item[],
  atOnce: number,
  exchange: Exchange,
  work: (item: Item, exchange: Exchange) => Promise<Result>,
): Promise<Result[]> => {
  if (items.length === 1) return [await work(items[0]!, exchange)];
  const failure = new AbortController();
  const part: Exchange = { ...exchange, signal: AbortSignal.any([exchange.signal, failure.signal]) };
  const results = new Array<Result>(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length && !failure.signal.aborted) {
      const index = next;
      next += 1;
      results[index] = await work(items[index]!, part);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  } catch (error) {
    failure.abort();
    throw error;
  }
  return results;
};
