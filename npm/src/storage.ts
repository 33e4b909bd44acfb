// Whether a page has `localStorage`, and what is in it.

/** Throws what it throws if it cannot be written to, which is only known by doing it. */
export function usableStorage(): Storage {
  const { localStorage } = globalThis;
  localStorage.setItem(TRY, "");
  localStorage.removeItem(TRY);
  return localStorage;
}

/** Whether it can be written to or not: a full one can be read, and emptied. */
export function readableStorage(): Storage | undefined {
  try {
    return globalThis.localStorage;
  } catch {
    // It is refused in this page.
    return undefined;
  }
}

/** The names of the items that begin so. */
export function items(start: string): string[] {
  return Object.keys(readableStorage() ?? {}).filter((name) => name.startsWith(start));
}

/** How the items begin that pages without a worker have left (`farewell.ts`). */
export function leftStart(channel: string): string {
  return `bellwether:left:${encodeURIComponent(channel)}:`;
}

/** How the items begin that pages without a database keep (`keep.ts`). */
export function keptStart(channel: string): string {
  return `bellwether:kept:${encodeURIComponent(channel)}:`;
}

const TRY = "bellwether:try";
