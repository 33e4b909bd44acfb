// Waiting with a bound.

/** Waits for something, but no longer than `ms`, nor once `signal` has fired. Nothing of it stays behind. */
export function within(ms: number, signal: AbortSignal, what?: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    if (signal.aborted) return end();
    signal.addEventListener("abort", end);
    what?.then(end, end);
  });
}
