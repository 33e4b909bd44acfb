// Waiting with a bound, and signals that follow others.

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

/** Waits for the signal. */
export function fired(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}

/** A signal that fires with another, or when it is ended. */
export function following(other: AbortSignal): { signal: AbortSignal; end(): void } {
  const controller = new AbortController();
  const end = () => {
    controller.abort();
    other.removeEventListener("abort", end);
  };
  if (other.aborted) end();
  else other.addEventListener("abort", end);
  return { signal: controller.signal, end };
}
