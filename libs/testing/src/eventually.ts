const POLL_MS = 20;

/**
 * Waits for a condition: calls `probe` until it returns something other than undefined, null or false, and returns that.
 * @throws Error naming `what` after `timeoutMs`; the last error of `probe` is its cause
 */
export const eventually = async <Value>(
  what: string,
  probe: () => Value | Promise<Value>,
  timeoutMs = 10_000,
): Promise<NonNullable<Exclude<Value, false>>> => {
  const endMs = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined && value !== null && value !== false)
        return value as NonNullable<Exclude<Value, false>>;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > endMs) throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause });
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
};
