/** One HTTP answer that a client got. */
export interface Seen {
  readonly status: number;
  readonly headers: Headers;
  readonly sentMs: number;
  readonly answeredMs: number;
}

/** The platform's `fetch`, and every answer that came through it: how often and when a client asked. */
export const watchedFetch = (): { readonly fetch: typeof fetch; readonly seen: Seen[] } => {
  const seen: Seen[] = [];
  return {
    seen,
    fetch: async (...args) => {
      const sentMs = performance.now();
      const response = await fetch(...args);
      seen.push({
        status: response.status,
        headers: response.headers,
        sentMs,
        answeredMs: performance.now(),
      });
      return response;
    },
  };
};
